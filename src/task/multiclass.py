"""K classes told apart by K logits.

Shapes: B batch, K classes.
"""

import torch
import torchmetrics.classification
from torch import Tensor
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class, word
from src.task.seen import Counts
from src.task.task import Task

METRICS = classes_in(torchmetrics.classification, "Multiclass")


# Scores of each class, whose mean is over those that have samples; CONTRASTS also need samples of others.
CURVES = ("auroc", "averageprecision", "eer", "logauc")
EACH = (*CURVES, "recall", "balancedaccuracy", "specificity", "negativepredictivevalue")
CONTRASTS = ("auroc", "eer", "logauc", "specificity", "negativepredictivevalue")
SEVERAL = (*CONTRASTS, "cohenkappa", "matthewscorrcoef")  # which have no value for one class alone


class Multiclass(Task):
    """One logit per class; the loss is cross-entropy.

    That is one number in five spellings: one-hot targets times -log softmax, summed over classes and averaged, with the
    softmax written out, with F.softmax or with F.log_softmax; F.nll_loss of F.log_softmax; F.cross_entropy, which is
    the one that neither overflows nor loses small probabilities, in one call.
    """

    form = "classes"

    def metric(self, name: str) -> Metric:
        """Return the metric of that name: accuracy over samples, others averaged over classes."""
        name = "recall" if word(name) == "balancedaccuracy" else name  # whose mean over the classes it is
        options = {"average": "micro"} if name == "accuracy" else {"average": "none"} if word(name) in EACH else {}
        return metric_class(name, METRICS)(num_classes=self.outputs, validate_args=False, **options)

    def example(self) -> tuple[Tensor, Tensor]:
        """Return a sample of each class, the last of them wrong."""
        labels_K = torch.arange(self.outputs)
        return (2 * torch.eye(self.outputs)[labels_K.clamp(max=self.outputs - 2)]).softmax(dim=1), labels_K

    def seen(self) -> Counts:
        """Count the classes."""
        return Counts(self.outputs)

    def undefined(self, name: str, seen: Metric) -> str:
        """Say where there is one class alone, and the metric compares several."""
        present = seen.compute().nonzero().flatten().tolist()
        return f"all samples are of class {present[0]}" if word(name) in SEVERAL and len(present) == 1 else ""

    def averaged(self, name: str, value: Tensor, seen: Metric) -> tuple[Tensor, str]:
        """Return the mean over the classes that have samples, and which have none."""
        if word(name) not in EACH or value.shape != (self.outputs,):
            return value, ""
        present_K = seen.compute() > 0
        value_P, absent = value[present_K], (~present_K).nonzero().flatten().tolist()
        mean = value_P.mean() if word(name) in CURVES else (value_P / len(value_P)).sum()  # as torchmetrics rounds them
        return mean, f"the mean over the classes that have samples, not {', '.join(map(str, absent))}" if absent else ""

    def label(self, target_B: Tensor) -> Tensor:
        """Return class numbers, of mixed samples the class with the largest share."""
        return target_B if target_B.ndim == 1 else target_B.argmax(dim=1)

    def mass(self, target_B: Tensor) -> Tensor | None:
        """Return the sum of the samples' class weights, by which cross-entropy divides; None where there are none."""
        weight_K = getattr(self.loss, "weight", None)
        return None if weight_K is None or target_B.ndim > 1 else weight_K[target_B].sum()

    def weigh(self, weight_K: Tensor) -> None:
        """Weigh the classes in cross-entropy."""
        if "weight" not in dict(self.loss.named_buffers(recurse=False)) and getattr(self.loss, "weight", 0) is not None:
            raise ValueError(f"model.class_weights={self.class_weights}: {type(self.loss).__name__} takes no weights")
        self.loss.weight = weight_K

    def predict(self, output_BK: Tensor) -> Tensor:
        """Return probability_BK."""
        return output_BK.softmax(dim=1)
