"""The scores of one split, mean loss and metrics, without a host sync per step.

Shapes: N samples, B batch, S batches seen at once.
"""

from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from src.strategy.exchange import gathered
from src.task.metric_state import forget, set_state, state_of, updates
from src.task.task import Task

MAX_PENDING = 100  # batches kept until the metrics see them at once: a bound on memory
MAX_VALUES = 2**22  # of targets among them: masks have many


class Meter(nn.Module):
    """Collects (loss, output, label) of batches, which the metrics of a task see many at a time.

    `flush` gives the scores since the last flush, `compute` those since the last reset, and in `notes` what is to be
    said of them: why one is not there, or what it is the mean of. Where several processes share the work (`ranks`), all
    of them have to ask for scores at the same place, and get the scores of what all of them added.
    """

    def __init__(self, task: Task):
        super().__init__()
        self.whole = _Scores(task)
        self.point = _Scores(task)
        self.kept, self.scored = task.kept, task.scored
        self.notes: dict[str, str] = {}
        self.said: set[tuple[str, str]] = set()  # of these notes, by whoever reads them
        self.ranks = 1
        self._seen = self._values = 0
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, loss: Tensor, output_B: Tensor, target_B: Tensor) -> None:
        """Remember one batch; none of the tensors may carry a graph."""
        self._pending.append((loss, self.kept(output_B), target_B))
        self._values += target_B.numel()
        if len(self._pending) >= MAX_PENDING or self._values >= MAX_VALUES:
            self._update()

    def flush(self) -> dict[str, Tensor]:
        """Return the scores of what was added since the last flush; {} where that is nothing."""
        self._update()
        scores = self.point.compute(self.ranks)
        self.point.reset()
        return scores

    def compute(self) -> dict[str, Tensor]:
        """Return the scores of everything added since the last `reset`; {} where that is nothing."""
        self._update()
        scores = self.whole.compute(self.ranks)
        self.notes = self.whole.notes
        return scores

    def samples(self) -> int:
        """Return the number of samples added since the last `reset`."""
        self._update()
        return sum(gathered(self._seen)) if self.ranks > 1 else self._seen

    def reset(self) -> None:
        """Forget everything."""
        self._seen = self._values = 0
        self._pending.clear()
        self.whole.reset()
        self.point.reset()

    def progress(self) -> dict[str, Any]:
        """What was added since the last reset, as plain containers for a checkpoint.

        The pending batches stay pending: sums rounded in another order would be other sums.
        """
        joined = None
        if self._pending:
            losses, outputs, targets = zip(*self._pending, strict=True)
            sizes = [len(target_B) for target_B in targets]
            joined = {"sizes": sizes, "losses": torch.stack(losses), "outputs": torch.cat(outputs)}
            joined["targets"] = torch.cat(targets)
        return {"pending": joined, "whole": self.whole.progress(), "point": self.point.progress()}

    def resume(self, *progress: dict[str, Any]) -> None:
        """Take up what `progress` returned, in one process or in several."""
        progress = move_data_to_device(progress, self.whole.loss.device)
        for one in progress:
            if joined := one["pending"]:
                parts = (joined[name].split(joined["sizes"]) for name in ("outputs", "targets"))
                self._pending += zip(joined["losses"].unbind(), *parts, strict=True)
                self._values += joined["targets"].numel()
        self.whole.resume(*(one["whole"] for one in progress))
        self.point.resume(*(one["point"] for one in progress))

    def _update(self) -> None:
        if not self._pending:
            return
        losses, outputs, targets = zip(*self._pending, strict=True)
        self._pending.clear()
        self._values = 0
        self._seen += sum(map(len, targets))
        samples_S = torch.tensor([float(len(target_B)) for target_B in targets], device=losses[0].device)
        loss_S, scored_N, target_N = torch.stack(losses), self.scored(torch.cat(outputs)), torch.cat(targets)
        for scores in (self.whole, self.point):
            scores.loss.update(loss_S, samples_S)
            scores.seen.update(scored_N, target_N)
            scores.metrics.update(scored_N, target_N)


class _Scores(nn.Module):
    """The mean loss and the metrics over some batches."""

    def __init__(self, task: Task):
        super().__init__()
        self.loss = _SampleMean()
        self.seen = task.seen()
        self.metrics = MetricCollection({name: metric.clone() for name, metric in task.metrics.items()})
        self.notes: dict[str, str] = {}
        self._named = task.scores
        for module in self.modules():
            if isinstance(module, Metric):
                module.distributed_available_fn = _never  # its own way hangs where a process has seen nothing

    def compute(self, ranks: int) -> dict[str, Tensor]:
        if ranks == 1:
            return self._scores()
        mine = self.progress()
        self.resume(*move_data_to_device(gathered(mine), self.loss.device))
        scores = self._scores()
        self.resume(mine)
        return scores

    def _scores(self) -> dict[str, Tensor]:
        if not updates(self.loss):
            return {}
        scores, self.notes = {"loss": self.loss.compute()}, {}
        for name, metric in self.metrics.items():
            found, note = self._named(name, metric, self.seen)
            scores |= found
            self.notes |= {name: f"{'a score of a part' if found else 'no score'}: {note}"} if note else {}
        return scores

    def reset(self) -> None:
        self.metrics.reset()
        for metric in self._each():
            forget(metric)

    def progress(self) -> list[dict[str, Any]]:
        return [state_of(metric) for metric in self._each()]

    def resume(self, *progress: list[dict[str, Any]]) -> None:
        """Take up one progress; of several, all together."""
        for metric, *parts in zip(self._each(), *progress, strict=True):
            set_state(metric, *parts)

    def _each(self) -> list[Metric]:
        return [self.loss, self.seen, *self.metrics.values()]


def _never() -> bool:
    return False


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
