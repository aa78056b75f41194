"""The scores of one split, mean loss and metrics, without a host sync per step.

Shapes: N samples, B batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection

MAX_PENDING = 100  # batches kept until the metrics see them at once: a bound on memory


class Meter(nn.Module):
    """Collects (loss, output, target) of batches; `flush` feeds them to the metrics in one update.

    `predict` turns outputs into what the metrics score, such as probabilities.
    """

    def __init__(self, metrics: MetricCollection, predict: Callable[[Tensor], Tensor]):
        super().__init__()
        self.loss = MeanMetric(nan_strategy="disable")  # the other strategies look at every value on the host
        self.metrics = metrics
        self.predict = predict
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, loss: Tensor, output_B: Tensor, target_B: Tensor) -> None:
        """Remember one batch; none of the tensors may carry a graph."""
        self._pending.append((loss, output_B, target_B))
        if len(self._pending) >= MAX_PENDING:
            self.flush()

    def flush(self) -> dict[str, Tensor]:
        """Update the metrics with what was added and return its own scores; {} where nothing was added since."""
        if not self._pending:
            return {}
        losses, outputs, targets = zip(*self._pending, strict=True)
        self._pending.clear()
        weights = torch.tensor([float(len(target_B)) for target_B in targets], device=losses[0].device)
        scores = {"loss": self.loss(torch.stack(losses), weights)}
        return scores | self.metrics(self.predict(torch.cat(outputs)), torch.cat(targets))

    def compute(self) -> dict[str, Tensor]:
        """Return the scores over everything added since the last `reset`; {} where that is nothing."""
        self.flush()
        if not self.loss.update_called:
            return {}
        return {"loss": self.loss.compute()} | self.metrics.compute()

    def reset(self) -> None:
        """Forget everything."""
        self._pending.clear()
        self.loss.reset()
        self.metrics.reset()
