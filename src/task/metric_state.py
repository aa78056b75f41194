"""What a torchmetrics metric has seen, taken and given back; the one file with private names of torchmetrics.

Under a version of it that nobody has verified them for, all goes by its public names: the same scores, but torchmetrics
does not know that a metric has seen anything, and states of several processes are joined as its `merge_state` does.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torchmetrics
from torchmetrics import Metric

VERIFIED = ("1.8.", "1.9.")  # the starts of the versions of torchmetrics
GIVEN = "updates_given"  # how often a metric was updated before it was given its state, where it does not know itself


def state_of(metric: Metric) -> dict[str, Any]:
    """Return the states of a metric and the number of its updates, which later ones do not change."""
    states = {name: list(value) if isinstance(value, list) else value for name, value in metric.metric_state.items()}
    return {"updates": updates(metric), "states": states}


def updates(metric: Metric) -> int:
    """The number of updates since the last reset, those before a state was given with it."""
    return metric.update_count + getattr(metric, GIVEN, 0)


def set_state(metric: Metric, *parts: Mapping[str, Any]) -> None:
    """Let a metric go on with what `state_of` returned; with that of several processes joined."""
    saved = [part for part in parts if part["updates"]] or parts[:1]
    count = sum(part["updates"] for part in saved)
    if torchmetrics.__version__.startswith(VERIFIED):
        metric._update_count, metric._computed = count, None
        for name in saved[0]["states"]:
            setattr(metric, name, _joined(metric, name, [part["states"][name] for part in saved]))
        return
    metric.reset()
    for name, value in saved[0]["states"].items():
        setattr(metric, name, value)
    for part in saved[1:]:
        metric.merge_state(part["states"])
    setattr(metric, GIVEN, count)
    warnings.filterwarnings("ignore", r"The ``compute`` method of metric \w+ was called before")


def forget(metric: Metric) -> None:
    """Reset a metric."""
    metric.reset()
    setattr(metric, GIVEN, 0)


def _joined(metric: Metric, name: str, values: list[Any]) -> Any:
    """Return one state of a metric for what several processes have of it, as torchmetrics reduces it."""
    if len(values) == 1:
        return values[0]
    if isinstance(values[0], list):
        return [part for value in values for part in value]
    reduce = metric._reductions[name]
    stacked = torch.stack(list(values))
    return reduce(stacked) if callable(reduce) else stacked
