"""What the torchmetrics of a module have seen, for checkpoints: they keep most of it out of the weights."""

from typing import Any

from lightning.fabric.utilities import move_data_to_device
from torch import nn
from torchmetrics import Metric


def metric_states(module: nn.Module) -> dict[str, dict[str, Any]]:
    """Return the states of every metric in `module`, by its name there; {} where it has none."""
    return {
        name: {"updates": metric.update_count, "states": dict(metric.metric_state)}
        for name, metric in module.named_modules()
        if isinstance(metric, Metric)
    }


def set_metric_states(module: nn.Module, saved: dict[str, dict[str, Any]]) -> None:
    """Let the metrics of `module` go on with what `metric_states` returned, on its own device."""
    for name, metric in module.named_modules():
        if not isinstance(metric, Metric) or name not in saved:
            continue
        for state, value in saved[name]["states"].items():
            setattr(metric, state, move_data_to_device(value, metric.device))
        metric._update_count = saved[name]["updates"]
        metric._computed = None
