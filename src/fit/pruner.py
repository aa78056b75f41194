"""Ends a run that does worse than the others of its search."""

import logging
import math
from collections.abc import Callable

import lightning

from src.run.record import Record

log = logging.getLogger(__name__)


class Pruner(lightning.Callback):
    """Reports `monitor` after each validation, and ends the run where `report` finds it hopeless.

    `report(number, score)` gets the number of validations so far, from 1. The run ends as an early stop does, with its
    scores and its checkpoints; `pruned` in its record says where. One that several processes train is never ended: they
    would have to agree on it.
    """

    def __init__(self, report: Callable[[int, float], bool], record: Record, *, monitor: str):
        self.report = report
        self.record = record
        self.monitor = monitor

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave a run that was pruned before at its end, or let it go on where it is hopeless no more."""
        pruned = self.record.fields.get("pruned")
        if pruned and not (trainer.should_stop and self.report(pruned["validations"], pruned["value"])):
            trainer.should_stop = False
            del self.record.fields["pruned"]
            self.record.update()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Report, and end what is hopeless."""
        if trainer.sanity_checking or not trainer.is_global_zero or trainer.should_stop:
            return
        if self.monitor not in trainer.callback_metrics:
            raise ValueError(
                f"search.pruner judges by monitor={self.monitor}, which {type(pl_module).__name__} does not log: set "
                f"monitor= to one of {', '.join(trainer.callback_metrics)}, or search.pruner=null"
            )
        number, score = validations(trainer), trainer.callback_metrics[self.monitor].item()
        is_hopeless = self.report(number, score)
        if is_hopeless and trainer.world_size == 1 and not is_last(trainer):
            trainer.should_stop = True
            self.record.update(pruned={"validations": number, "metric": self.monitor, "value": score})
            log.info("pruned after %d validations: %s=%.4f is behind the other trials", number, self.monitor, score)


def validations(trainer: lightning.Trainer) -> int:
    """How many validations there were, those before the run was resumed among them."""
    batches = trainer.fit_loop.epoch_loop.batch_progress.current.completed
    every = trainer.val_check_batch or 1
    if math.isinf(trainer.num_training_batches) or math.isinf(every):  # a stream, validated at its ends
        return trainer.current_epoch + 1
    return int((trainer.current_epoch * trainer.num_training_batches + batches) // every)


def is_last(trainer: lightning.Trainer) -> bool:
    """Whether the last epoch's last batch is done: there is nothing left to save."""
    return trainer.current_epoch + 1 == trainer.max_epochs and trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
