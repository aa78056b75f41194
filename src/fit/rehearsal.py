"""Whether the score that a run is judged by will be logged: asked of one validation batch, and again after an epoch."""

import copy
import logging
import re
from collections.abc import Collection
from contextlib import nullcontext
from difflib import get_close_matches
from typing import Any

import lightning
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies import DDPStrategy
from torchmetrics import Metric

from src.fit.contract import Scored, offers, overrides
from src.fit.example import check_example
from src.fit.first_batch import UNRECORDED
from src.fit.generators import random_states, set_random_states
from src.fit.verified import quick

log = logging.getLogger(__name__)

VALIDATION = re.compile(r"val|eval|dev|held", re.IGNORECASE)  # in the name of a score that training does not log

OF_STOP = "callback.early_stopping."


class Rehearsal(lightning.Callback):
    """Looks for `monitor` in what a copy of the module logs on one validation batch, before a fit's first epoch.

    The copy takes its changes along: metrics, buffers and generators are as they were. Where the score is not found,
    one that `is_required` (somebody typed it, or a search goes by it) ends the run before its first step; another is a
    line after the first epoch, and the last checkpoint is the best. A module that says what it logs was asked before.

    An early stop by a score that will not be there is refused in the same way; where that shows only after an epoch, a
    line says that it waits.
    """

    def __init__(self, *, monitor: str, is_required: bool, is_resumed: bool = False):
        self.monitor = monitor
        self.is_required = is_required
        self.is_resumed = is_resumed
        self._is_asked = False  # whether the score is there
        self._is_over = False  # an epoch, with a validation where there is one
        self._has_validated = False
        self._has_looked = False

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Rehearse where a run starts anew, in each process; raises ValueError for a score that will not be there."""
        for stop in _early_stops(trainer):
            stop.strict = False  # else it ends the run after an epoch, in Lightning's words
        self._is_asked = self.is_resumed or offers(pl_module, Scored)
        if self._is_asked or not _has_whole(trainer):
            return
        check_example(trainer, pl_module)
        names = rehearsed(trainer, pl_module)
        if names is None:
            return
        if self.is_required:
            self._check("", self.monitor, names, pl_module)
        for stop in _early_stops(trainer):
            self._check(OF_STOP, stop.monitor, names, pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Remember that what a validation logs is there."""
        self._has_validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Remember that an epoch is over; hooks that come after this one may still log."""
        self._is_over = self._has_validated or not trainer.enable_validation

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look again, after the first whole epoch alone."""
        if self._is_over:
            self._look(trainer, pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look again, where that was the only epoch."""
        self._look(trainer, pl_module)

    def _look(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if self._has_looked:
            return
        self._has_looked, names = True, list(trainer.callback_metrics)
        for stop in _early_stops(trainer):
            if stop.monitor not in names:
                log.info("%s: it stops nothing until then", _missing(OF_STOP, stop.monitor, names, module))
        if self._is_asked or self.monitor in names:
            return
        if self.is_required:
            raise ValueError(_missing("", self.monitor, names, module))
        log.info("%s: until then the last checkpoint is the best", _missing("", self.monitor, names, module))

    def _check(self, start: str, monitor: str, names: Collection[str], module: lightning.LightningModule) -> None:
        if monitor not in names and VALIDATION.search(monitor):  # else training may log it
            raise ValueError(_missing(start, monitor, names, module))


def _has_whole(trainer: lightning.Trainer) -> bool:
    """Whether each process has the whole module, of which a copy can be tried without the others."""
    return trainer.world_size == 1 or (isinstance(trainer.strategy, DDPStrategy) and quick() is not None)


def _early_stops(trainer: lightning.Trainer) -> list[EarlyStopping]:
    callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning's own, undeclared
    return [callback for callback in callbacks if isinstance(callback, EarlyStopping)]


def _missing(start: str, monitor: str, names: Collection[str], module: lightning.LightningModule) -> str:
    near = get_close_matches(monitor, names, n=1) or [name for name in names if VALIDATION.search(name)] or list(names)
    logged = f"it logs {', '.join(names)}: set {start}monitor={near[0]}" if names else "it logs nothing: call self.log"
    return f"{start}monitor={monitor}: {type(module).__name__} does not log it; {logged}"


def rehearsed(trainer: lightning.Trainer, module: lightning.LightningModule) -> list[str] | None:
    """Return the names of what `module` logs on one validation batch; None where that cannot be tried.

    Nothing of `module` and of the generators changes.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]  # Lightning's own, undeclared
    has_loader = overrides(data, lightning.LightningDataModule, "val_dataloader")
    if not has_loader or not overrides(module, lightning.LightningModule, "validation_step") or _is_off(trainer):
        return None
    states = random_states()
    try:
        stage, silent = _stage(trainer, module), copy.deepcopy(module)
        for metric in (part for part in silent.modules() if isinstance(part, Metric)):
            metric.distributed_available_fn = _never  # else it waits for what the other processes have seen
        with way.unsaid() if (way := quick()) else nullcontext():  # that `sync_dist` has no part in
            stage.validate(silent, datamodule=_set_up(data), verbose=False)
        return list(stage.callback_metrics)
    except Exception as error:  # whatever a module does that a copy of it cannot: the run itself will show it
        reason = (str(error).splitlines() or [""])[0][:200]
        log.info("what %s logs is seen after an epoch: %s: %s", type(module).__name__, type(error).__name__, reason)
        return None
    finally:
        set_random_states(states)


def _never() -> bool:
    return False


def _is_off(trainer: lightning.Trainer) -> bool:
    return not trainer.limit_val_batches or bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def _stage(trainer: lightning.Trainer, module: lightning.LightningModule) -> lightning.Trainer:
    """Return a Trainer for one batch on the module's device, which writes nothing."""
    device = module.device
    return lightning.Trainer(
        accelerator="cpu" if device.type == "cpu" else "gpu",
        devices=1 if device.index is None else [device.index],
        precision=trainer.precision,
        limit_val_batches=1,
        **UNRECORDED,
    )


def _set_up(data: lightning.LightningDataModule) -> lightning.LightningDataModule:
    """Return data that are set up for the fit already, as data that need no more of it."""
    served: Any = copy.copy(data)
    served.prepare_data = lambda: None
    served.setup = served.teardown = lambda stage: None
    return served
