"""What the torchmetrics of a module have seen, for checkpoints: they keep most of it out of the weights."""

from typing import Any

from lightning.fabric.utilities import move_data_to_device
from torch import nn
from torchmetrics import Metric

from src.task.metric_state import set_state, state_of


def metric_states(module: nn.Module) -> dict[str, dict[str, Any]]:
    """Return the states of every metric in `module`, by its name there; {} where it has none."""
    return {name: state_of(metric) for name, metric in module.named_modules() if isinstance(metric, Metric)}


def set_metric_states(module: nn.Module, saved: dict[str, dict[str, Any]]) -> None:
    """Let the metrics of `module` go on with what `metric_states` returned, on its own device."""
    for name, metric in module.named_modules():
        if not isinstance(metric, Metric) or name not in saved:
            continue
        set_state(metric, move_data_to_device(saved[name], metric.device))
