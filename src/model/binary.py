"""A model that tells two classes apart by one logit.

Shapes: B batch.
"""

import torchmetrics.classification
from torch import Tensor
from torchmetrics import Metric

from src.model.metric import metric_class
from src.model.supervised import Supervised

METRICS = {
    name.removeprefix("Binary"): cls
    for name, cls in vars(torchmetrics.classification).items()
    if name.startswith("Binary") and isinstance(cls, type)
}


class Binary(Supervised):
    """A net with one output, the logit of class 1; the loss is binary cross-entropy on logits."""

    def metric(self, name: str) -> Metric:
        """Return the binary torchmetrics metric of that name."""
        return metric_class(name, METRICS)(validate_args=False)  # validation reads values on the host

    def forward(self, x_B: Tensor) -> Tensor:
        """Return the logit_B of class 1."""
        return self.run_net(x_B).squeeze(1)

    def target(self, target_B: Tensor) -> Tensor:
        """Return the class numbers as the floats that binary cross-entropy wants."""
        return target_B.float()

    def label(self, target_B: Tensor) -> Tensor:
        """Return class numbers, of mixed samples the class with the larger share."""
        return (target_B > 0.5).long() if target_B.is_floating_point() else target_B

    def weigh(self, weight_K: Tensor) -> None:
        """Weigh class 1 in binary cross-entropy by its weight as a multiple of class 0's."""
        self.loss.pos_weight = (weight_K[1] / weight_K[0]).to(self.device)

    def predict(self, output_BK: Tensor) -> Tensor:
        """Return the probability_B of class 1."""
        return output_BK.sigmoid()
