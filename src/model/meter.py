"""The scores of one split, mean loss and metrics, without a host sync per step.

Shapes: N samples, B batch, S batches seen at once.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

MAX_PENDING = 100  # batches kept until the metrics see them at once: a bound on memory


class Meter(nn.Module):
    """Collects (loss, output, target) of batches, which the metrics see many at a time.

    `flush` gives the scores since the last flush, `compute` those since the last reset. `predict` turns outputs into
    what the metrics score, such as probabilities.
    """

    def __init__(self, metrics: MetricCollection, predict: Callable[[Tensor], Tensor]):
        super().__init__()
        self.whole = _Scores(metrics)
        self.point = _Scores(metrics.clone())
        self.predict = predict
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, loss: Tensor, output_B: Tensor, target_B: Tensor) -> None:
        """Remember one batch; none of the tensors may carry a graph."""
        self._pending.append((loss, output_B, target_B))
        if len(self._pending) >= MAX_PENDING:
            self._update()

    def flush(self) -> dict[str, Tensor]:
        """Return the scores of what was added since the last flush; {} where that is nothing."""
        self._update()
        scores = self.point.compute()
        self.point.reset()
        return scores

    def compute(self) -> dict[str, Tensor]:
        """Return the scores of everything added since the last `reset`; {} where that is nothing."""
        self._update()
        return self.whole.compute()

    def reset(self) -> None:
        """Forget everything."""
        self._pending.clear()
        self.whole.reset()
        self.point.reset()

    def _update(self) -> None:
        if not self._pending:
            return
        losses, outputs, targets = zip(*self._pending, strict=True)
        self._pending.clear()
        samples_S = torch.tensor([float(len(target_B)) for target_B in targets], device=losses[0].device)
        loss_S, scored_N, target_N = torch.stack(losses), self.predict(torch.cat(outputs)), torch.cat(targets)
        for scores in (self.whole, self.point):
            scores.loss.update(loss_S, samples_S)
            scores.metrics.update(scored_N, target_N)


class _Scores(nn.Module):
    """The mean loss and the metrics over some batches."""

    def __init__(self, metrics: MetricCollection):
        super().__init__()
        self.loss = _SampleMean()
        self.metrics = metrics

    def compute(self) -> dict[str, Tensor]:
        if not self.loss.update_called:
            return {}
        scores = {"loss": self.loss.compute()} | self.metrics.compute()
        for name, value in scores.items():
            if value.numel() != 1:
                raise ValueError(
                    f"model.metrics names {name}, which is {value.numel()} numbers and no score: leave it out"
                )
        return scores

    def reset(self) -> None:
        self.loss.reset()
        self.metrics.reset()


class _SampleMean(Metric):
    """The mean over samples of the mean losses of batches.

    torchmetrics' MeanMetric looks at every value on the host, and forgets the weights where that is switched off.
    """

    full_state_update = False
    total: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, loss_S: Tensor, samples_S: Tensor) -> None:
        self.total += (loss_S * samples_S).sum()
        self.samples += samples_S.sum()

    def compute(self) -> Tensor:
        return self.total / self.samples
