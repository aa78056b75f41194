"""Two classes told apart by one logit.

Shapes: B batch.
"""

import torch
import torchmetrics.classification
from torch import Tensor
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class, word
from src.task.seen import Counts
from src.task.task import Task

METRICS = classes_in(torchmetrics.classification, "Binary")


# Scores that compare the classes, or are of one of them alone: without it they have no value.
BOTH = ("balancedaccuracy", "auroc", "eer", "logauc", "matthewscorrcoef", "cohenkappa")
OF_CLASS = {"averageprecision": 1, "recall": 1, "precision": 1, "f1": 1, "jaccardindex": 1}
OF_CLASS |= {"specificity": 0, "negativepredictivevalue": 0}


class BalancedAccuracy(torchmetrics.classification.BinaryStatScores):
    """The mean of the recalls of both classes."""

    higher_is_better = True

    def compute(self) -> Tensor:
        """Return it, in [0, 1]."""
        true, false, others, missed = (torch.as_tensor(part) for part in (self.tp, self.fp, self.tn, self.fn))
        return (true / (true + missed) + others / (others + false)) / 2


class Binary(Task):
    """One output, the logit of class 1; the loss is binary cross-entropy on logits."""

    form = "classes"

    def metric(self, name: str) -> Metric:
        """Return the binary torchmetrics metric of that name, or balanced_accuracy."""
        if word(name) == "balancedaccuracy":
            return BalancedAccuracy(validate_args=False)
        return metric_class(name, METRICS)(validate_args=False)  # validation reads values on the host

    def example(self) -> tuple[Tensor, Tensor]:
        """Return two samples of each class, one of them right."""
        return torch.tensor([0.1, 0.8, 0.3, 0.9]), torch.tensor([0, 0, 1, 1])

    def seen(self) -> Counts:
        """Count the classes."""
        return Counts(2)

    def undefined(self, name: str, seen: Metric) -> str:
        """Say which class has no samples, where the metric needs it."""
        needed = (0, 1) if word(name) in BOTH else (OF_CLASS[word(name)],) if word(name) in OF_CLASS else ()
        absent = [number for number, count in enumerate(seen.compute().tolist()) if not count and number in needed]
        return f"there are no samples of class {absent[0]}" if absent else ""

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
