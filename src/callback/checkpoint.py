"""Keeps the best checkpoint by a monitored score, and the last one to resume from."""

import math
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint as RunsLast


class Checkpoint(RunsLast):
    """Writes `best.ckpt` when `monitor` improves (`mode`: min or max), `last.ckpt` after every epoch.

    Lightning's ModelCheckpoint writes `last` only when it also writes a best one. Lightning calls subclasses of its
    (empty) Checkpoint after all other callbacks, so that what they hold is in the file. NaN is never better.
    """

    def __init__(self, folder: str, *, monitor: str, mode: Literal["min", "max"] = "min"):
        self.folder = Path(folder)
        self.monitor = monitor
        self.sign = {"min": 1, "max": -1}[mode]
        self.best_value: float | None = None
        self.best_epoch: int | None = None
        self._random: dict[str, Any] = {}

    @property
    def best_path(self) -> Path:
        """Where the best checkpoint lies once there is one."""
        return self.folder / "best.ckpt"

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the weights where the validation just done is the best so far."""
        if not trainer.sanity_checking and trainer.state.fn == "fit" and not self.monitor.startswith("train/"):
            self._keep_if_best(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the epoch's checkpoint."""
        if self.monitor.startswith("train/"):
            self._keep_if_best(trainer)
        trainer.save_checkpoint(self.folder / "last.ckpt")

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Put the random numbers where the resumed run had them, after all that drew some while starting."""
        if self._random:
            torch.set_rng_state(self._random["cpu"])
            torch.cuda.set_rng_state_all(self._random["cuda"])
            self._random = {}

    def state_dict(self) -> dict[str, Any]:
        """The best score so far and the states of torch's generators: a resumed run forgets neither."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        random = {"cpu": torch.get_rng_state(), "cuda": cuda}
        return {"best_value": self.best_value, "best_epoch": self.best_epoch, "random": random}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what the resumed run had."""
        self.best_value = state_dict["best_value"]
        self.best_epoch = state_dict["best_epoch"]
        self._random = state_dict["random"]

    def _keep_if_best(self, trainer: lightning.Trainer) -> None:
        value = trainer.callback_metrics[self.monitor].item()
        if math.isnan(value) or (self.best_value is not None and self.sign * value >= self.sign * self.best_value):
            return
        self.best_value, self.best_epoch = value, trainer.current_epoch
        trainer.save_checkpoint(self.best_path)
