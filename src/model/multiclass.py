"""A model that tells K classes apart by K logits.

Shapes: B batch, K classes.
"""

import torchmetrics.classification
from torch import Tensor
from torchmetrics import Metric

from src.model.supervised import Supervised, metric_class

METRICS = {
    name.removeprefix("Multiclass"): cls
    for name, cls in vars(torchmetrics.classification).items()
    if name.startswith("Multiclass") and isinstance(cls, type)
}


class Multiclass(Supervised):
    """A net with one logit per class; the loss is cross-entropy."""

    def metric(self, name: str) -> Metric:
        """Return the metric of that name: accuracy over samples, others averaged over classes."""
        options = {"average": "micro"} if name == "accuracy" else {}
        return metric_class(name, METRICS)(num_classes=self.outputs, validate_args=False, **options)

    def predict(self, output_BK: Tensor) -> Tensor:
        """Return probability_BK."""
        return output_BK.softmax(dim=1)
