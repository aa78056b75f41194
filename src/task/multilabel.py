"""K labels, of which a sample has none, one or several, each told by a logit of its own.

Shapes: B batch, K labels, P labels that have a score.
"""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torchmetrics.classification
from torch import Tensor, nn
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class, word
from src.task.seen import Labelled
from src.task.task import Task

METRICS = classes_in(torchmetrics.classification, "Multilabel")

# Scores of each label, whose mean is over those that some samples have; CONTRASTS also need samples without it.
CONTRASTS = ("auroc", "logauc", "eer")
OF_OTHERS = ("specificity", "negativepredictivevalue")  # which are of the samples without a label
EACH = (*CONTRASTS, *OF_OTHERS, "f1", "recall", "precision", "jaccardindex", "averageprecision")


class Multilabel(Task):
    """One logit per label; the loss is binary cross-entropy on each, a sample has the labels from `threshold` on.

    Scores such as f1, auroc and average_precision are the mean over the labels that some sample has; exact_match is the
    share of samples whose labels are all right. `class_weights` weigh what a label adds where a sample has it.
    """

    form = "labels"

    def __init__(
        self,
        *,
        outputs: int,
        loss: nn.Module,
        metrics: str | Iterable[str | Metric] = (),
        class_weights: str | Sequence[float] | None = None,
        threshold: float = 0.5,
    ):
        if not 0 < threshold < 1:
            raise ValueError(f"model.threshold={threshold}: the probability from which on a label is given, in (0, 1)")
        self.threshold = threshold
        super().__init__(outputs=outputs, loss=loss, metrics=metrics, class_weights=class_weights)

    def metric(self, name: str) -> Metric:
        """Return the metric of that name, for each label where it has one for each."""
        kind = metric_class(name, METRICS)
        takes = inspect.signature(kind).parameters
        options: dict[str, Any] = {"threshold": self.threshold} if "threshold" in takes else {}
        options |= {"average": "none"} if "average" in takes and word(name) in EACH else {}
        return kind(num_labels=self.outputs, validate_args=False, **options)

    def example(self) -> tuple[Tensor, Tensor]:
        """Return samples with each label, all but one, and none, of which one probability is wrong."""
        K = self.outputs
        labels_NK = torch.cat([torch.eye(K), 1 - torch.eye(K), torch.zeros(1, K), torch.ones(1, K)]).long()
        probability_NK = 0.1 + 0.8 * labels_NK
        probability_NK[0, 0] = 0.2
        return probability_NK, labels_NK

    def seen(self) -> Labelled:
        """Count the samples with and without each label."""
        return Labelled(self.outputs)

    def undefined(self, name: str, seen: Metric) -> str:
        """Say where no label has the samples that the metric needs."""
        if word(name) not in EACH or self._scored(name, seen).any():
            return ""
        needed = "both with and without it" if word(name) in CONTRASTS else ("with", "without")[word(name) in OF_OTHERS]
        return f"no label has samples {needed}"

    def averaged(self, name: str, value: Tensor, seen: Metric) -> tuple[Tensor, str]:
        """Return the mean over the labels that have a score, and which have none."""
        if word(name) not in EACH or value.shape != (self.outputs,):
            return value, ""
        scored_K = self._scored(name, seen)
        left = ", ".join(map(str, (~scored_K).nonzero().flatten().tolist()))
        return value[scored_K].mean(), f"the mean over the labels that have one, not {left}" if left else ""

    def _scored(self, name: str, seen: Metric) -> Tensor:
        without_K, with_K = seen.compute() > 0
        if word(name) in CONTRASTS:
            return without_K & with_K
        return without_K if word(name) in OF_OTHERS else with_K

    def target(self, target_BK: Tensor) -> Tensor:
        """Return whether a sample has each label, as the floats that binary cross-entropy wants."""
        if target_BK.ndim != 2 or target_BK.shape[1] != self.outputs:
            raise ValueError(
                f"targets have shape {list(target_BK.shape)}, and {self.outputs} labels need a 0 or 1 each, "
                f"[{len(target_BK)}, {self.outputs}]: let the data give these, or set data.task=multiclass"
            )
        return target_BK.float()

    def label(self, target_BK: Tensor) -> Tensor:
        """Return 0 or 1 for each label, of mixed samples those of the larger part."""
        return (target_BK > 0.5).long()

    def weigh(self, weight_K: Tensor) -> None:
        """Weigh what each label adds to binary cross-entropy where a sample has it."""
        self.loss.pos_weight = weight_K

    def predict(self, output_BK: Tensor) -> Tensor:
        """Return the probability_BK of each label."""
        return output_BK.sigmoid()
