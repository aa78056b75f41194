"""Keeps run.json up to date while a run trains, so that a killed run still says how far it came."""

import time
from typing import Any

import lightning

from src.data.module import Data
from src.run.record import Record


class Recorder(lightning.Callback):
    """Writes epochs, steps, scores, parameters and training speed to `record` after each epoch."""

    def __init__(self, record: Record):
        self.record = record
        self.samples = 0
        self.seconds = 0.0
        self._resumed_s = 0.0
        self._calls = 0  # of this epoch, before this start of the run

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record the number of parameters, and what the data is."""
        sizes = [(p.numel(), p.requires_grad) for p in pl_module.parameters()]
        trainable = sum(size for size, learns in sizes if learns)
        self.record.update(parameters={"total": sum(size for size, _ in sizes), "trainable": trainable})
        self._fingerprint(trainer)

    def on_test_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record what the test data is."""
        self._fingerprint(trainer)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock, in the midst of an epoch where the run is resumed there."""
        self._calls = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        self._resumed_s = time.monotonic()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record the epoch before, whose scores are complete only now, and start the clock."""
        if trainer.current_epoch:
            self._update(trainer)
        self._resumed_s = time.monotonic()

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock: the speed is that of training."""
        if trainer.sanity_checking:  # before the clock first starts
            return
        self.seconds += time.monotonic() - self._resumed_s

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock again."""
        self._resumed_s = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock and count the epoch's samples."""
        self.seconds += time.monotonic() - self._resumed_s
        calls, before = trainer.fit_loop.epoch_loop.batch_progress.current.completed, self._calls
        loader = trainer.train_dataloader
        assert loader is not None
        batches = min(calls * loader.steps_per_call, loader.batches) - before * loader.steps_per_call
        self.samples += min(batches * loader.batch_size, len(loader.sampler))
        self._calls = 0

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record the last epoch, also where a resumed run had none left to train."""
        self._update(trainer)

    def _fingerprint(self, trainer: lightning.Trainer) -> None:
        if isinstance(data := trainer.datamodule, Data):  # type: ignore[attr-defined]  # Lightning sets it without declaring it
            self.record.update(data_fingerprint=data.fingerprints())

    def _update(self, trainer: lightning.Trainer) -> None:
        epochs = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]  # right after an early stop too
        speed = {"samples_per_second": round(self.samples / self.seconds, 1)} if self.seconds else {}
        self.record.update(epochs=epochs, steps=trainer.global_step, metrics=scores(trainer), **speed)


def scores(trainer: lightning.Trainer) -> dict[str, Any]:
    """The scores known so far as plain numbers, `split/metric` to value."""
    return {name: value.item() for name, value in trainer.callback_metrics.items()}
