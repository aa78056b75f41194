"""Metrics by their names: those of torchmetrics, in snake case."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import ModuleType

import torch
from torch import Tensor
from torchmetrics import Metric


def classes_in(module: ModuleType, task: str) -> dict[str, type[Metric]]:
    """Return the metrics of a torchmetrics module whose names begin with `task`, without it."""
    found = {name: cls for name, cls in vars(module).items() if name.startswith(task) and isinstance(cls, type)}
    return {name.removeprefix(task): cls for name, cls in found.items()}


def made(metrics: Iterable[str | Metric], make: Callable[[str], Metric]) -> dict[str, Metric]:
    """Return metrics by their names; `make` makes those that are named.

    Raises ValueError where a name alone is not enough. One that is there already is called as its class is.
    """
    return {
        snake_case(type(metric).__name__) if isinstance(metric, Metric) else metric: _made(metric, make)
        for metric in metrics
    }


def tried(
    name: str,
    metric: Metric,
    predictions_N: Tensor,
    labels_N: Tensor,
    *,
    score: Callable[[str, Metric, Metric], Tensor | None],
    seen: Metric,
) -> None:
    """Raise ValueError where a metric makes no single number of predictions and labels that have a score."""
    if any(state.is_meta for state in metric.metric_state.values() if isinstance(state, Tensor)):
        return  # built without memory, to look at shapes alone
    trial = metric.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for each in (trial, seen):
                each.update(predictions_N, labels_N)
            value = score(name, trial, seen)
        except Exception as error:  # whatever a metric of somebody's raises
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(
                f"model.metrics names {name}, which cannot score this task ({reason}): leave it out"
            ) from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        many = f"{value.numel()} numbers" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"model.metrics names {name}, which is {many} and no score: leave it out")


def word(name: str) -> str:
    """Return the one word for all spellings of a metric's name."""
    return name.replace("_", "").lower().removesuffix("score")


def metric_class(name: str, classes: Mapping[str, type[Metric]]) -> type[Metric]:
    """Return the class whose name is `name` in snake case, with or without "score" at its end.

    Suggest one where there is none.

    `classes` maps CamelCase names, without a task's prefix, to torchmetrics classes.
    """
    words = {key.lower(): cls for key, cls in classes.items()}
    word = name.replace("_", "").lower()
    found = words.get(word) or words.get(f"{word}score")
    if found is None:
        near = get_close_matches(word, words, n=1)
        hint = f": did you mean {near[0].removesuffix('score')}?" if near else ""
        raise ValueError(f"model.metrics names {name!r}, which torchmetrics does not have for this task{hint}")
    return found


def snake_case(name: str) -> str:
    """Return `BalancedAccuracy` as `balanced_accuracy`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _made(metric: str | Metric, make: Callable[[str], Metric]) -> Metric:
    if isinstance(metric, Metric):
        return metric
    try:
        with torch.device("cpu"):  # also where the net is built without memory
            return make(metric)
    except TypeError as error:  # fbeta's beta, say: a name alone does not say it
        raise ValueError(
            f"model.metrics names {metric!r}, which cannot be made from its name alone: {error}"
        ) from error
