"""Metrics by their names: those of torchmetrics, in snake case."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

from torchmetrics import Metric, MetricCollection


def collection(names: Iterable[str], metric: Callable[[str], Metric]) -> MetricCollection:
    """Return the metrics that `metric` makes of these names; raises ValueError where a name alone is not enough."""
    return MetricCollection({name: _made(name, metric) for name in names})


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


def _made(name: str, metric: Callable[[str], Metric]) -> Metric:
    try:
        return metric(name)
    except TypeError as error:  # fbeta's beta, say: a name alone does not say it
        raise ValueError(f"model.metrics names {name!r}, which cannot be made from its name alone: {error}") from error
