"""K classes told apart by K logits.

Shapes: B batch, K classes.
"""

import torchmetrics.classification
from torch import Tensor
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class
from src.task.task import Task

METRICS = classes_in(torchmetrics.classification, "Multiclass")


class Multiclass(Task):
    """One logit per class; the loss is cross-entropy.

    That is one number in five spellings: one-hot targets times -log softmax, summed over classes and averaged, with the
    softmax written out, with F.softmax or with F.log_softmax; F.nll_loss of F.log_softmax; F.cross_entropy, which is
    the one that neither overflows nor loses small probabilities, in one call.
    """

    def metric(self, name: str) -> Metric:
        """Return the metric of that name: accuracy over samples, others averaged over classes."""
        options = {"average": "micro"} if name == "accuracy" else {}
        return metric_class(name, METRICS)(num_classes=self.outputs, validate_args=False, **options)

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
