"""Two classes told apart by one logit.

Shapes: B batch.
"""

import torchmetrics.classification
from torch import Tensor
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class
from src.task.task import Task

METRICS = classes_in(torchmetrics.classification, "Binary")


class Binary(Task):
    """One output, the logit of class 1; the loss is binary cross-entropy on logits."""

    def metric(self, name: str) -> Metric:
        """Return the binary torchmetrics metric of that name."""
        return metric_class(name, METRICS)(validate_args=False)  # validation reads values on the host

    def output(self, output_B1: Tensor) -> Tensor:
        """Return the logit_B of class 1."""
        return super().output(output_B1).squeeze(1)

    def target(self, target_B: Tensor) -> Tensor:
        """Return the class numbers as the floats that binary cross-entropy wants."""
        return target_B.float()

    def label(self, target_B: Tensor) -> Tensor:
        """Return class numbers, of mixed samples the class with the larger share."""
        return (target_B > 0.5).long() if target_B.is_floating_point() else target_B

    def weigh(self, weight_K: Tensor) -> None:
        """Weigh class 1 in binary cross-entropy by its weight as a multiple of class 0's."""
        self.loss.pos_weight = weight_K[1] / weight_K[0]

    def predict(self, output_B: Tensor) -> Tensor:
        """Return the probability_B of class 1."""
        return output_B.sigmoid()
