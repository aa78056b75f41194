"""Keeps run.json up to date while a run trains, so that a killed run still says how far it came."""

import logging
import time
from typing import Any

import lightning
from torch.utils.data.distributed import DistributedSampler

from src.fit.contract import Batched, Fingerprinted, offers
from src.fit.leaves import leaves, samples
from src.model.share import lr_factor
from src.run.record import Record

log = logging.getLogger(__name__)


class Recorder(lightning.Callback):
    """Writes epochs, steps, scores, parameters and training speed to `record` after each epoch; one process does it."""

    def __init__(self, record: Record):
        self.record = record
        self.samples = 0
        self.seconds = 0.0
        self._resumed_s = 0.0
        self._first_step: int | None = None
        self._calls = 0  # of this epoch, before this start of the run
        self._is_counted = True
        self._is_resumed = False
        self._padded: set[str] = set()  # the splits whose samples were said to be scored twice

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record the number of parameters, and what the data is."""
        if not trainer.is_global_zero:
            return
        sizes = [(p.numel(), p.requires_grad) for p in pl_module.parameters()]
        trainable = sum(size for size, learns in sizes if learns)
        self.record.update(parameters={"total": sum(size for size, _ in sizes), "trainable": trainable})
        self._fingerprint(trainer)

    def on_test_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record what the test data is; say how often some of it is scored."""
        self._fingerprint(trainer)
        self._say_padded("test", trainer.test_dataloaders, trainer)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock, in the midst of an epoch where the run is resumed there; say how the work is shared."""
        if trainer.world_size > 1 and trainer.is_global_zero:
            self.record.update(processes=sharing(trainer, pl_module))
        self._first_step = trainer.global_step
        self._is_counted = offers(trainer.train_dataloader, Batched)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        self._is_resumed = trainer.fit_loop.restarted_mid_epoch
        self._calls = done if self._is_resumed else 0
        self._resumed_s = time.monotonic()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record the epoch before, whose scores are complete only now, and start the clock."""
        if trainer.current_epoch:
            self._update(trainer)
        self._resumed_s = time.monotonic()

    def on_train_batch_start(self, *arguments: object) -> None:
        """Start the clock behind the batches that a resumed epoch loaded again."""
        if self._is_resumed:
            self._is_resumed, self._resumed_s = False, time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the samples of a loader that cannot say how many its batches have."""
        if not self._is_counted:
            self.samples += (samples(batch) or 1) * trainer.world_size

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock: the speed is that of training."""
        if trainer.sanity_checking:  # before the clock first starts
            return
        self._say_padded("val", trainer.val_dataloaders, trainer)
        self.seconds += time.monotonic() - self._resumed_s

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock again."""
        self._resumed_s = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock and count the epoch's samples."""
        self.seconds += time.monotonic() - self._resumed_s
        done, before = trainer.fit_loop.epoch_loop.batch_progress.current.completed, self._calls
        loader = trainer.train_dataloader
        if offers(loader, Batched):
            self.samples += sum(map(loader.size, range(before, done)))
        self._calls = 0

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record the last epoch, also where a resumed run had none left to train."""
        self.record.has_stepped = True
        self._update(trainer)

    def on_exception(self, trainer: lightning.Trainer, *args: object) -> None:
        """Say whether training had begun: where it had not, a resumed run stays as it was."""
        self.record.has_stepped = self._first_step is not None and trainer.global_step > self._first_step

    def _say_padded(self, split: str, loaders: Any, trainer: lightning.Trainer) -> None:
        if split in self._padded or not trainer.is_global_zero or not (twice := padded(loaders)):
            return
        self._padded.add(split)
        log.warning(
            "%s: %d samples are scored twice, so that %d processes have as many each: src.eval scores each once",
            split,
            twice,
            trainer.world_size,
        )

    def _fingerprint(self, trainer: lightning.Trainer) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it without declaring it
        if offers(data, Fingerprinted) and trainer.is_global_zero:
            self.record.update(data_fingerprint=data.fingerprints())

    def _update(self, trainer: lightning.Trainer) -> None:
        if not trainer.is_global_zero:
            return
        epochs = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]  # right after an early stop too
        speed = {"samples_per_second": round(self.samples / self.seconds, 1)} if self.seconds else {}
        self.record.update(epochs=epochs, steps=trainer.global_step, metrics=scores(trainer), **speed)


def padded(loaders: Any) -> int:
    """Return how many samples of loaders Lightning's distributed samplers add, to give each process as many."""
    return sum(sampler.total_size - len(sampler.dataset) for sampler in _shared(loaders))


def _shared(loaders: Any) -> list[Any]:
    """Return the samplers among those of loaders that give each process its part."""
    whole = [loader for _, loader in leaves(loaders)]
    owners = [*whole, *(getattr(loader, "batch_sampler", None) for loader in whole)]  # of which DataLoader makes one
    samplers = {id(sampler): sampler for owner in owners if (sampler := getattr(owner, "sampler", None)) is not None}
    return [sampler for sampler in samplers.values() if isinstance(sampler, DistributedSampler)]


def sharing(trainer: lightning.Trainer, module: lightning.LightningModule) -> dict[str, Any]:
    """Say in one line, and return, how several processes share the work: the batches and the learning rate."""
    loader, scale_lr = trainer.train_dataloader, getattr(module, "scale_lr", "none")
    ranks, rate = trainer.world_size, next((optimizer.defaults.get("lr") for optimizer in trainer.optimizers), None)
    found: dict[str, Any] = {"number": ranks, "lr_factor": lr_factor(scale_lr, ranks)}
    batches = "each has its part of the samples, in batches of the loader's own size"
    if not _shared(loader):
        batches = "each iterates the loader as it is: all of the samples, where it does not share them itself"
    if offers(loader, Batched):
        found["effective_batch"] = loader.batch_size * trainer.accumulate_grad_batches
        part = loader.batch_size // ranks
        share = f"{part} or {part + 1}" if loader.batch_size % ranks else f"{part}"
        batches = f"{share} samples of each batch of {loader.batch_size}, effective batch {found['effective_batch']}"
    log.info("%d processes: %s; learning rate %s (optimizer.scale_lr=%s)", ranks, batches, rate, scale_lr)
    return found


def scores(trainer: lightning.Trainer) -> dict[str, Any]:
    """The scores known so far as plain numbers, `split/metric` to value."""
    return {name: value.item() for name, value in trainer.callback_metrics.items()}
