"""A model that predicts a number.

Shapes: B batch.
"""

import torchmetrics.regression
from torch import Tensor
from torchmetrics import Metric

from src.model.metric import metric_class
from src.model.supervised import Supervised

METRICS = {name: cls for name, cls in vars(torchmetrics.regression).items() if isinstance(cls, type)}


class Regression(Supervised):
    """A net with one output, in the target's own units; the loss is the mean squared error."""

    def metric(self, name: str) -> Metric:
        """Return the torchmetrics regression metric of that name."""
        return metric_class(name, METRICS)()

    def forward(self, x_B: Tensor) -> Tensor:
        """Return prediction_B."""
        return self.run_net(x_B).squeeze(1)

    def predict(self, output_BK: Tensor) -> Tensor:
        """Return the output itself."""
        return output_BK
