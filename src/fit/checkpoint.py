"""Keeps the best checkpoint by a monitored score, and the last one to resume from, bit for bit."""

import math
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint as RunsLast
from lightning.pytorch.callbacks import LambdaCallback

from src.fit.contract import Scored, offers
from src.fit.csv_logger import CSV
from src.fit.generators import random_states, set_random_states
from src.fit.length import Planned, follow, planned
from src.fit.metric_states import metric_states, set_metric_states
from src.fit.verified import quick
from src.run.checkpoint_io import LAST, link
from src.run.disk import check_disk
from src.run.interrupt import Deferred, Interrupted
from src.strategy.agreement import Agreement
from src.strategy.exchange import gathered, highest


class Checkpoint(RunsLast):
    """Writes `best.ckpt` when `monitor` improves (`mode`: min or max), `last.ckpt` after every epoch and more often.

    What can be lost is an epoch, `every_n_steps` optimizer steps or `every_minutes`, whichever is least. A signal to
    end writes one more before it ends the run.

    Lightning's ModelCheckpoint writes `last` only when it also writes a best one. Lightning calls subclasses of its
    (empty) Checkpoint after all other callbacks, so that what they hold is in the file. NaN is never better.
    """

    changes_no_result = ("folder", "every_n_steps", "every_minutes")

    def __init__(
        self,
        folder: str,
        *,
        monitor: str,
        mode: Literal["min", "max"] = "min",
        every_n_steps: int | None = None,
        every_minutes: float | None = 10.0,
    ):
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"callback.checkpoint.every_n_steps={every_n_steps}: at least 1, or null for none")
        if every_minutes is not None and every_minutes <= 0:
            raise ValueError(f"callback.checkpoint.every_minutes={every_minutes}: above 0, or null for none")
        self.folder = Path(folder)
        self.monitor = monitor
        self.sign = {"min": 1, "max": -1}[mode]
        self.every_n_steps = math.inf if every_n_steps is None else every_n_steps
        self.every_s = math.inf if every_minutes is None else 60 * every_minutes
        self.best_value: float | None = None
        self.best_epoch: int | None = None
        self._ranks = 1
        self._rank = 0
        self._agreement = Agreement()
        self._random: dict[str, Any] = {}
        self._plans: list[Planned] = []
        self._loaded: dict[str, Any] = {}
        self._is_between_epochs = False
        self._before: Any = None
        self._is_logged = False
        self._signals = Deferred()
        self._saved_step = 0
        self._saved_s = 0.0
        # A batch starts with this, before what other callbacks do or log at its start is done, to be done again.
        self._between_batches = LambdaCallback(on_train_batch_start=self._save_if_due)

    @property
    def best_path(self) -> Path:
        """Where the best checkpoint lies once there is one."""
        return self.folder / "best.ckpt"

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Go first at the start of a batch, and last in all else."""
        self._ranks, self._rank = trainer.world_size, trainer.global_rank
        callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning's, undeclared
        if self._between_batches not in callbacks:  # Lightning comes here again, as the list has grown by one
            callbacks.insert(0, self._between_batches)
            if stage == "fit" and (way := quick()):
                way.after_each_epoch(trainer, partial(self._save_between_epochs, trainer))

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Put the scores where a resumed run had them; Lightning has forgotten them after loading."""
        self._plans = planned(trainer)
        trainer.callback_metrics.update(self._loaded.get("scores", {}))

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Put a resumed run where it was, the random numbers after all that drew some while starting."""
        if trainer.is_global_zero:
            check_disk(self.folder, pl_module)
        follow(self._plans)
        if way := quick():
            way.go_on(trainer, is_between_epochs=self._loaded.get("is_between_epochs", False))
            way.log_on(trainer, self._loaded.get("logged", ()))
        set_metric_states(pl_module, self._loaded.get("metric_states", {}))
        if self._random:
            set_random_states(self._random)
            torch.cuda.set_rng_state_all(self._random["cuda"])
        self._random, self._loaded = {}, {}
        self._saved_step, self._saved_s = trainer.global_step, time.monotonic()
        self._agreement.start(trainer.global_step)
        self._signals.start()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Remember the score, to see where it is logged anew."""
        self._before = trainer.callback_metrics.get(self.monitor)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Remember the score, to see whether this validation logs it anew."""
        self._before = trainer.callback_metrics.get(self.monitor)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the weights where the validation just done logged the best score so far."""
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            self._keep_if_best(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the weights where the epoch logged the best score so far; write its checkpoint, or a little later."""
        self._keep_if_best(trainer)
        if quick() is None:
            self._save_last(trainer)

    def _save_between_epochs(self, trainer: lightning.Trainer) -> None:
        """Write the checkpoint of the epoch that is over."""
        self._is_between_epochs = True
        self._save_last(trainer)
        self._is_between_epochs = False

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """End here where a signal asked for it; the last epoch's checkpoint is written."""
        self._signals.stop()
        number = self._signals.number or 0
        if self._ranks > 1:
            (number,) = highest(number)
        if number:
            raise Interrupted(number)

    def on_exception(self, *args: object) -> None:
        """Give the signals back."""
        self._signals.stop()

    def state_dict(self) -> dict[str, Any]:
        """The best score so far and the states of the generators: a resumed run forgets neither."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        random: Any = random_states() | {"cuda": cuda}
        if self._ranks > 1:
            random = gathered(random)
        return {"best_value": self.best_value, "best_epoch": self.best_epoch, "random": random}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what the resumed run had."""
        self.best_value = state_dict["best_value"]
        self.best_epoch = state_dict["best_epoch"]
        random = state_dict["random"]
        self._random = random[self._rank % len(random)] if isinstance(random, list) else random

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what Lightning forgets: scores, sums, an early stop, the rows of metrics.csv that lie before this."""
        checkpoint["scores"] = dict(trainer.callback_metrics)
        checkpoint["stopped"] = trainer.should_stop
        checkpoint["rows"] = next((logger.rows for logger in trainer.loggers if isinstance(logger, CSV)), 0)
        checkpoint["is_between_epochs"] = self._is_between_epochs
        if self._is_between_epochs:
            checkpoint["epoch"] -= 1  # which Lightning has counted already: the last that was trained
        elif way := quick():
            checkpoint["logged"] = way.logged_so_far(trainer)
        if not offers(pl_module, Scored):  # which keeps its own
            checkpoint["metric_states"] = metric_states(pl_module)

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take it up again."""
        if trainer.state.fn == "fit":
            self._loaded = checkpoint
            trainer.should_stop = checkpoint.get("stopped", False)

    def _keep_if_best(self, trainer: lightning.Trainer) -> None:
        """Write best.ckpt where the score was logged since it was looked at last, and is the best; rank 0 decides."""
        score, before = trainer.callback_metrics.get(self.monitor), self._before
        value = math.nan if score is None or score is before else float(score)
        self._is_logged = self._is_logged or score is not None
        worst = math.inf if self.best_value is None else self.sign * self.best_value
        is_better = self.sign * value < worst  # NaN never is
        if self._ranks > 1:
            is_better, value = trainer.strategy.broadcast((is_better, value))
        if is_better:
            self.best_value, self.best_epoch = value, trainer.current_epoch
            trainer.save_checkpoint(self.best_path)

    def _save_if_due(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Write a checkpoint between two optimizer steps: amid accumulation the gradients would be lost."""
        if batch_idx % trainer.accumulate_grad_batches:
            return
        steps = trainer.global_step - self._saved_step
        is_due, number = self._asked_for(trainer.global_step)
        if steps and (is_due or steps >= self.every_n_steps or number):
            self._save_last(trainer)
        if number:
            raise Interrupted(number)

    def _asked_for(self, step: int) -> tuple[int, int]:
        """Return whether the clock asks for a checkpoint, and the number of the signal to end the run, 0 for none."""
        if not self._agreement.is_due(step):  # in one process it always is
            return 0, 0
        is_due, number = int(time.monotonic() - self._saved_s >= self.every_s), self._signals.number or 0
        if self._ranks > 1:
            is_due, number = self._agreement.highest(step, is_due, number)
        return is_due, number

    def _save_last(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self.folder / LAST)
        is_over = self._is_between_epochs or quick() is None
        if is_over and not self._is_logged and trainer.is_global_zero:  # nothing says which is best: the last is
            link(self.folder / LAST, self.best_path)
        self._saved_step, self._saved_s = trainer.global_step, time.monotonic()
