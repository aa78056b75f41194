"""Numbers, in the targets' own units.

Shapes: B batch, K numbers.
"""

import torchmetrics.regression
from torch import Tensor
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class
from src.task.task import Task

METRICS = classes_in(torchmetrics.regression, "")


class Regression(Task):
    """One output; the loss is the mean squared error."""

    def metric(self, name: str) -> Metric:
        """Return the torchmetrics regression metric of that name."""
        return metric_class(name, METRICS)()

    def output(self, output_B1: Tensor) -> Tensor:
        """Return prediction_B."""
        return super().output(output_B1).squeeze(1)

    def predict(self, output_B: Tensor) -> Tensor:
        """Return the output itself."""
        return output_B
