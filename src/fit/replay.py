"""The batches of anybody's loaders, drawn so that a resumed run gets the same ones.

An epoch is iterated inside random streams of its own, seeded by (seed, rank, epoch): what a Dataset or a sampler draws
from torch, numpy or random depends on neither the net nor the epochs before. A resumed run iterates the epoch again and
drops the batches it has had, without computing on them; a loader with a `state_dict` goes on by itself.
"""

import copy
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import IterableDataset

from src.fit.contract import Batched, Stateful, offers, overrides
from src.fit.generators import Streams
from src.fit.leaves import checksum, leaves
from src.fit.verified import quick

if TYPE_CHECKING:
    from src.run.record import Record

log = logging.getLogger(__name__)

SETUP, TEST, VALIDATION = 1 << 31, 1 << 29, 1 << 30  # in the place of an epoch's number; the last is added to it


def steady(data: lightning.LightningDataModule, *, seed: int) -> lightning.LightningDataModule:
    """Return `data`, whose `prepare_data` and `setup` draw the same numbers whenever they are called.

    A split that is drawn anew in each `setup` is then one split, in training, test and evaluation; and what is drawn
    where files are written, once, changes nothing of the run that writes them.
    """
    for name in ("prepare_data", "setup"):
        if overrides(data, lightning.LightningDataModule, name):
            setattr(data, name, partial(_steadily, getattr(data, name), seed))
    return data


def _steadily(given: Callable[..., None], seed: int, *arguments: str, **named: str) -> None:
    with Streams(seed, SETUP):
        given(*arguments, **named)


class Seeded(CombinedLoader):
    """Iterates `iterables` as Lightning does, each epoch inside random streams that (seed, rank, epoch) determine.

    `epoch` tells the number of the epoch that an iteration is for. `start` batches of the next iteration alone are
    dropped; `dropped` is called with the checksum of the last. Of the last two batches, `marks` has the checksum and
    `before` where stateful loaders were, by number.
    """

    def __init__(
        self,
        iterables: Any,
        mode: Any,
        *,
        seed: int,
        rank: int,
        epoch: Callable[[], int],
        dropped: Callable[[list[Any]], None] = lambda mark: None,
    ):
        super().__init__(iterables, mode)
        self.key = seed, rank
        self.epoch = epoch
        self.dropped = dropped
        self.start = 0
        self.at_start: dict[str, Any] = {}  # of stateful loaders: one entry of `before`
        self.marks: dict[int, list[Any]] = {}
        self.before: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._begun: int | None = None  # the epoch, until its first batch is asked for
        self._is_stateful = False
        self._streams = Streams(seed, rank, 0)

    def __iter__(self) -> "Seeded":
        """Start the epoch."""
        self._begun = epoch = self.epoch()
        self._is_stateful = bool(self.flattened) and all(offers(loader, Stateful) for loader in self.flattened)
        self._streams, self.marks, self.before, self._number = Streams(*self.key, epoch), {}, {}, 0
        for loader in self.flattened:
            _seed(loader, *self.key, epoch)
        for loader, state in zip(self.flattened, self.at_start.get("loaders", ()), strict=False):
            loader.load_state_dict(copy.deepcopy(state))  # a loader may go on to write in it
        with self._streams:
            super().__iter__()
        return self

    def __next__(self) -> Any:
        """Return Lightning's (batch, its number, its loader's number)."""
        if self._begun is not None:
            self._go_on()
        number = self._number
        if self._is_stateful and number not in self.before:
            states = [copy.deepcopy(loader.state_dict()) for loader in self.flattened]
            self.before[number] = {"loaders": states, "streams": self._streams.states()}
        self.before.pop(number - 2, None)
        with self._streams:
            found = super().__next__()
        self.marks[number] = checksum(found[0])
        self.marks.pop(number - 2, None)
        self._number = number + 1
        return found

    def _go_on(self) -> None:
        """Put an epoch behind the batches that it has had.

        A schedule that asks for its length makes Lightning start the loaders before it knows which epoch is resumed.
        """
        if self._begun != self.epoch():
            iter(self)
        epoch, self._begun, start, self.start, started_s = self._begun, None, self.start, 0, time.monotonic()
        if start and not self._are_there(start):
            for _ in range(start):
                next(self)
            seconds = time.monotonic() - started_s
            log.info("epoch %d: its first %d batches were loaded again and dropped, %.1f s", epoch, start, seconds)
        if start:
            self.dropped(self.marks[start - 1])

    def _are_there(self, start: int) -> bool:
        """Whether stateful loaders have gone on to the last batch of `start` by themselves, which is dropped.

        Where workers draw at random, what they draw is in no loader's state: the epoch begins anew.
        """
        at_start, self.at_start = self.at_start, {}
        if not at_start:
            return False
        self._streams.go_on(at_start["streams"])
        self._number = start - 1
        self.before[self._number] = at_start  # litdata's, asked again, would write over what it has loaded
        next(self)
        if self.marks[start - 1] == at_start["checksum"]:
            return True
        iter(self)
        self._begun = None
        return False


def _seed(loader: Any, seed: int, rank: int, epoch: int) -> None:
    """Let what a loader keeps from epoch to epoch, a generator or an epoch's number, follow from the epoch alone."""
    for name, value in (("current_epoch", epoch), ("restore", False)):  # litdata's: of one process; of an epoch before
        if name in vars(loader):
            setattr(loader, name, value)
    parts = [loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
    parts.append(getattr(parts[2], "sampler", None))
    for place, part in enumerate(parts):
        if isinstance(generator := getattr(part, "generator", None), torch.Generator):
            generator.manual_seed(int(np.random.SeedSequence((seed, rank, epoch, place)).generate_state(1)[0]))
        if callable(set_epoch := getattr(part, "set_epoch", None)):
            set_epoch(epoch)
    if getattr(loader, "persistent_workers", False):
        vars(loader)["persistent_workers"] = False  # past DataLoader's own __setattr__, which refuses
        log.info("persistent_workers: they start anew each epoch, so that what they draw depends on the epoch alone")


class Replay(lightning.Callback):
    """Wraps the training loaders of a fit, where they are not ours, and finds a resumed epoch's place in them.

    `seed` is the run's. Where a resumed run goes on with other data than it had, which a checksum of the last batch
    shows, a line says so, and `record` gets it in the process that has one.
    """

    def __init__(self, *, seed: int, record: "Record | None" = None):
        self.seed = seed
        self.record = record
        self._loader: Seeded | None = None
        self._saved: dict[str, Any] = {}

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Take the place of the loaders that the fit is about to ask for."""
        if stage == "fit" and (way := quick()):
            way.wrap_loaders(trainer, train=partial(self._seeded, trainer), val=partial(self._validating, trainer))

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remember which batches the resumed epoch has had."""
        if trainer.state.fn == "fit":
            self._saved = checkpoint.get("replay", {})

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep where the epoch is: the batches it has had, and the last one's checksum.

        What Lightning keeps of stateful loaders is a batch ahead, as the next one is there before this one is trained
        on: here it is the state before the last one, and none at an epoch's end.
        """
        checkpoint["loops"]["fit_loop"]["state_dict"].pop("combined_loader", None)
        if self._loader is None:
            return
        done = trainer.fit_loop.epoch_loop.batch_progress
        is_over = done.is_last_batch and done.current.ready == done.current.completed
        number = 0 if is_over else done.current.completed
        checkpoint["replay"] = {"batches": number, "checksum": self._loader.marks.get(number - 1)}
        # Behind a batch of each worker's, as the first after a resume is drawn like a worker's first of the epoch.
        is_told = number > max([1, *(getattr(loader, "num_workers", 0) for loader in self._loader.flattened)])
        if is_told and trainer.world_size == 1 and (before := self._loader.before.get(number - 1)):
            checkpoint["replay"]["before"] = before

    def _compare(self, trainer: lightning.Trainer, saved: list[Any] | None, mark: list[Any]) -> None:
        """Hold the last batch that was loaded again against the one that the run has had."""
        if trainer.global_rank:  # the checkpoint knows of rank 0's
            return
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        if self.record is not None:
            self.record.update(replay={"epoch": trainer.current_epoch, "batches": done, "equal": mark == saved})
        if mark != saved:
            log.warning(
                "epoch %d cannot be had again: its batch %d is another one now: the run goes on with other data",
                trainer.current_epoch,
                done - 1,
            )

    def _seeded(self, trainer: lightning.Trainer, loaders: Any, mode: str) -> Any:
        if offers(loaders, Batched):
            return loaders
        streams = [isinstance(getattr(loader, "dataset", None), IterableDataset) for _, loader in leaves(loaders)]
        if trainer.world_size > 1 and any(streams) and trainer.is_global_zero:
            log.warning(
                "each of %d processes iterates a stream as it is: all of it, where it does not share itself",
                trainer.world_size,
            )
        progress: Any = trainer.fit_loop.epoch_progress
        saved, self._saved = self._saved, {}
        self._loader = Seeded(
            loaders,
            mode,
            seed=self.seed,
            rank=trainer.global_rank,
            epoch=lambda: progress.current.processed,
            dropped=partial(self._compare, trainer, saved.get("checksum")),
        )
        self._loader.start = saved.get("batches", 0)
        if before := saved.get("before"):
            self._loader.at_start = before | {"checksum": saved["checksum"]}
        return self._loader

    def _validating(self, trainer: lightning.Trainer, loaders: Any, mode: str) -> Any:
        """Let a validation draw nothing from the streams of training, however its loaders start their workers."""
        each = loaders if isinstance(loaders, list) else [loaders]
        if not each or any(offers(loader, Batched) for loader in each):
            return loaders
        progress: Any = trainer.fit_loop.epoch_progress
        epoch = lambda: VALIDATION + progress.current.processed  # noqa: E731
        return Seeded(loaders, mode, seed=self.seed, rank=trainer.global_rank, epoch=epoch)
