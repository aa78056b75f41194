"""What becomes of a split's scores: points of curves for the loggers, and once an epoch the callbacks' figures."""

import logging
from collections.abc import Mapping, Sequence

import lightning
from torch import Tensor

from src.model.loader import is_numbered
from src.model.meter import Meter

log = logging.getLogger(__name__)


class Curve:
    """The points of the training curves: the scores in `meter` since the last point, after so many optimizer steps."""

    def __init__(self, meter: Meter):
        self.meter = meter
        self._every_n_steps = 50
        self._written_step = 0

    def start(self, trainer: lightning.Trainer) -> None:
        """Count from here on, to a point every `trainer.log_every_n_steps` steps."""
        self._every_n_steps = trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning's own, undeclared
        self._written_step = trainer.global_step

    def write_if_due(self, trainer: lightning.Trainer) -> None:
        """Write a point where one is due."""
        step, every = trainer.global_step, self._every_n_steps
        if every and step % every == 0 and step != self._written_step:  # accumulation: several batches, one step
            self._written_step = step
            write(trainer, self.meter.flush(), split="train")


def write(trainer: lightning.Trainer, scores: Mapping[str, Tensor], *, split: str) -> None:
    """Write scores to every logger, at the number of optimizer steps done."""
    if not scores or trainer.sanity_checking:
        return
    values = {f"{split}/{name}": value.item() for name, value in scores.items()}
    for logger in trainer.loggers:
        logger.log_metrics(values | {"epoch": trainer.current_epoch}, step=trainer.global_step)


def publish(module: lightning.LightningModule, meter: Meter, *, split: str) -> Mapping[str, Tensor]:
    """Give the split's scores to the callbacks, and return them; the meter starts anew.

    What is to be said of a score is said once.
    """
    scores = meter.compute()
    for name, note in meter.notes.items():
        if (name, note) not in meter.said:
            meter.said.add((name, note))
            log.info("%s/%s: %s", split, name, note)
        if name not in scores:  # where one epoch has none, that of the epoch before is not its
            module.trainer.callback_metrics.pop(f"{split}/{name}", None)
    meter.reset()
    named = {f"{split}/{name}": value for name, value in scores.items()}
    if meter.ranks > 1:  # equal everywhere; Lightning warns where it is to reduce nothing, and max is exact
        module.log_dict(named, logger=False, sync_dist=True, reduce_fx="max")
    else:
        module.log_dict(named, logger=False)
    return scores


def check_count(meter: Meter, loader: object, *, split: str, batches: Sequence[float]) -> None:
    """Raise RuntimeError where not every sample of the `batches` that were asked for was counted, once."""
    if not is_numbered(loader):
        return
    expected, seen = sum(map(loader.size, range(int(sum(batches))))), meter.samples()
    if seen != expected:
        raise RuntimeError(f"{seen:,} of {expected:,} {split} samples were counted: the scores would be wrong")
