"""Numbers, in the targets' own units.

Shapes: B batch, K numbers.
"""

import torch
import torchmetrics.regression
from torch import Tensor
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class, word
from src.task.seen import Ranges
from src.task.task import Task

METRICS = classes_in(torchmetrics.regression, "")


# Scores that explain how targets vary, and those that also need predictions that do.
VARIED = ("r2", "explainedvariance", "relativesquarederror")
CORRELATED = ("spearmancorrcoef", "pearsoncorrcoef", "kendallrankcorrcoef", "concordancecorrcoef")


class Regression(Task):
    """One output; the loss is the mean squared error."""

    form = "numbers"

    def metric(self, name: str) -> Metric:
        """Return the torchmetrics regression metric of that name."""
        return metric_class(name, METRICS)()

    def example(self) -> tuple[Tensor, Tensor]:
        """Return four numbers, about right."""
        return torch.tensor([0.1, 0.9, 2.2, 2.8]), torch.tensor([0.0, 1.0, 2.0, 3.0])

    def seen(self) -> Ranges:
        """Keep the ranges."""
        return Ranges()

    def undefined(self, name: str, seen: Metric) -> str:
        """Say where targets or predictions are all the same, and the metric is about how they vary."""
        predictions_differ, targets_differ = seen.compute().tolist()
        if word(name) in (*VARIED, *CORRELATED) and not targets_differ:
            return "all targets are the same"
        return "all predictions are the same" if word(name) in CORRELATED and not predictions_differ else ""

    def output(self, output_B1: Tensor) -> Tensor:
        """Return prediction_B."""
        return super().output(output_B1).squeeze(1)

    def predict(self, output_B: Tensor) -> Tensor:
        """Return the output itself."""
        return output_B
