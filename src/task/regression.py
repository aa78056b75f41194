"""Numbers, in the targets' own units.

Shapes: B batch, K numbers.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torchmetrics.regression
from torch import Tensor, nn
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class, word
from src.task.seen import Ranges
from src.task.task import Task

METRICS = classes_in(torchmetrics.regression, "")
SHORT = {"mae": "mean_absolute_error", "mse": "mean_squared_error", "rmse": "mean_squared_error"}

# Scores that explain how targets vary, and those that also need predictions that do.
VARIED = ("r2", "explainedvariance", "relativesquarederror")
CORRELATED = ("spearmancorrcoef", "pearsoncorrcoef", "kendallrankcorrcoef", "concordancecorrcoef")


class Regression(Task):
    """A number or several, an output each; the loss is the mean squared error.

    With the `target_mean` and `target_std` of the training split, outputs and loss are of targets of mean 0 and std 1,
    predictions and scores in the units of the data. `target` names the numbers: of several, each has its own scores
    (mae_weight) beside their mean (mae).
    """

    def __init__(
        self,
        *,
        outputs: int = 1,
        loss: nn.Module,
        metrics: str | Iterable[str | Metric] = (),
        class_weights: str | Sequence[float] | None = None,
        target: str | Sequence[str] | None = None,
        target_mean: Sequence[float] | None = None,
        target_std: Sequence[float] | None = None,
    ):
        names = [target] if isinstance(target, str) else list(target or ())
        self.names = _plain(names if len(names) == outputs else [str(number) for number in range(outputs)])
        if (target_mean is None) != (target_std is None) or len(target_mean or self.names) != outputs:
            raise ValueError(f"data.target_mean={target_mean}, data.target_std={target_std}: one of each per target")
        self.units = None if target_mean is None or target_std is None else (list(target_mean), list(target_std))
        self._units_on: dict[torch.device, tuple[Tensor, Tensor]] = {}
        super().__init__(outputs=outputs, loss=loss, metrics=metrics, class_weights=class_weights)

    form = "numbers"

    def metric(self, name: str) -> Metric:
        """Return the torchmetrics regression metric of that name, also mae, mse and rmse; of each target, if it can."""
        kind = metric_class(SHORT.get(name, name), METRICS)
        options: dict[str, Any] = {"squared": False} if name == "rmse" else {}
        if self.outputs > 1:
            takes = inspect.signature(kind).parameters
            options |= {"num_outputs": self.outputs} if "num_outputs" in takes else {}
            options |= {"multioutput": "raw_values"} if "multioutput" in takes else {}
        if self.units is not None and word(name) in (*VARIED, *CORRELATED):  # which no shift and scale changes
            kind = _of_scaled(kind, self.target)
        return kind(**options)

    def example(self) -> tuple[Tensor, Tensor]:
        """Return four numbers, about right, of each target."""
        both = torch.tensor([0.1, 0.9, 2.2, 2.8]), torch.tensor([0.0, 1.0, 2.0, 3.0])
        return (
            both
            if self.outputs == 1
            else (both[0][:, None].repeat(1, self.outputs), both[1][:, None].repeat(1, self.outputs))
        )

    def seen(self) -> Ranges:
        """Keep the ranges."""
        return Ranges(*([self.outputs] if self.outputs > 1 else []))

    def undefined(self, name: str, seen: Metric) -> str:
        """Say where targets or predictions are all the same, and the metric is about how they vary."""
        predictions_differ, targets_differ = seen.compute()
        if word(name) in (*VARIED, *CORRELATED) and not targets_differ.any():
            return "all targets are the same"
        is_flat = word(name) in CORRELATED and not (predictions_differ & targets_differ).any()
        return "all predictions are the same" if is_flat else ""

    def averaged(self, name: str, value: Tensor, seen: Metric) -> tuple[Tensor, str]:
        """Return the mean over the targets that have a score, and which have none."""
        if value.shape != (self.outputs,):
            return value, ""
        has_K = self._has_score(name, seen)
        left = ", ".join(target for target, has in zip(self.names, has_K.tolist(), strict=True) if not has)
        return value[has_K].mean(), f"the mean over the targets that vary, not {left}" if left else ""

    def scores(self, name: str, metric: Metric, seen: Metric) -> tuple[dict[str, Tensor], str]:
        """Return the mean over the targets, and the score of each."""
        found, note = super().scores(name, metric, seen)
        if not found or self.outputs == 1 or (value_K := metric.compute()).shape != (self.outputs,):
            return found, note
        each = zip(self.names, value_K, self._has_score(name, seen).tolist(), strict=True)
        return found | {f"{name}_{target}": value for target, value, has in each if has}, note

    def score_names(self) -> list[str]:
        """Return the names of the scores, those of each target where there are several."""
        if self.outputs == 1:
            return list(self.metrics)
        each = [[name, *(f"{name}_{target}" for target in self.names)] for name in self.metrics]
        return [name for names in each for name in names]

    def output(self, output_BK: Tensor) -> Tensor:
        """Return prediction_B, of several numbers prediction_BK."""
        output_BK = super().output(output_BK)
        return output_BK.squeeze(1) if self.outputs == 1 else output_BK

    def target(self, target_B: Tensor) -> Tensor:
        """Return the targets as the net is to give them."""
        target_B = self.label(target_B)
        if self.units is None:
            return target_B
        mean, std = self._units(target_B.device)
        return (target_B - mean) / std

    def label(self, target_B: Tensor) -> Tensor:
        """Return target_B, of several numbers target_BK; raises ValueError where there are more or fewer."""
        wanted = target_B.shape[:1] if self.outputs == 1 else (len(target_B), self.outputs)
        if target_B.shape != wanted:
            if target_B.numel() != len(target_B) * self.outputs:
                raise ValueError(
                    f"targets have shape {list(target_B.shape)}, and the net gives {self.outputs} each: name "
                    "as many numbers in data.target"
                )
            target_B = target_B.reshape(wanted)
        return target_B if target_B.is_floating_point() else target_B.float()

    def predict(self, output_B: Tensor) -> Tensor:
        """Return the outputs in the units of the data."""
        if self.units is None:
            return output_B
        mean, std = self._units(output_B.device)
        return output_B.float() * std + mean

    def _has_score(self, name: str, seen: Metric) -> Tensor:
        predictions_differ, targets_differ = seen.compute()
        if word(name) in VARIED:
            return targets_differ
        return targets_differ & predictions_differ if word(name) in CORRELATED else torch.ones_like(targets_differ)

    def _units(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return mean_K and std_K, of one number scalars, on a device; one transfer, not one per batch."""
        if device not in self._units_on:
            assert self.units
            mean_K, std_K = (torch.tensor(values, dtype=torch.float32, device=device) for values in self.units)
            self._units_on[device] = (mean_K, std_K) if self.outputs > 1 else (mean_K[0], std_K[0])
        return self._units_on[device]


def _of_scaled(kind: type[Metric], scaled: Callable[[Tensor], Tensor]) -> type[Metric]:
    """Return a metric of scaled numbers: sums of squares in float32 lose what varies where all is far from zero."""

    class OfScaled(kind):  # type: ignore[misc, valid-type]
        def update(self, predictions_N: Tensor, targets_N: Tensor) -> None:
            super().update(scaled(predictions_N), scaled(targets_N))

    return OfScaled


def _plain(names: Sequence[str]) -> list[str]:
    """Return names as parts of a score's name: letters, digits and _; numbered where they would be the same."""
    plain = [re.sub(r"\W+", "_", name).strip("_") for name in names]
    return plain if len({*plain}) == len(plain) else [f"{name}_{number}" for number, name in enumerate(plain)]
