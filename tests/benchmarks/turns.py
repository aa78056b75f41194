"""Epochs of a normal run and of something else in turns, both timed.

A normal run is the composed config as a user runs it: both loggers, metrics, checkpoints and the progress bar, which
is drawn (to nowhere) as on a terminal. Its clock runs from the first hook of an epoch to the first of the next, and
stands still only while validation batches run: epoch ends, checkpoints and run.json count.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import lightning
from hydra import compose, initialize_config_dir
from rich.console import Console

from src.command.entry import CONF
from src.config.build import build
from src.config.plain import plain
from src.config.schema import register
from src.fit.progress import ProgressBar
from src.run.quiet import quiet
from src.run.record import Record
from src.train import train


class Turns(lightning.Callback):
    """Runs `other` before each epoch and times both; the epoch's clock stands still during validation.

    Where `other` returns seconds, these are its time. It has to be the first callback, so that what the others do is
    inside the time.
    """

    def __init__(self, other: Callable[[], float | None]):
        self.other = other
        self.other_seconds: list[float] = []
        self.run_seconds: list[float] = []
        self._since_s = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the epoch before, let the other side have its turn, start the clock."""
        self._stop()
        start_s = time.perf_counter()
        with patch.dict(os.environ):
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # Lightning's: 0.1 ms per step where there is no GPU
            own_s = self.other()
        self.other_seconds.append(time.perf_counter() - start_s if own_s is None else own_s)
        self.run_seconds.append(0.0)
        self._since_s = time.perf_counter()

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock."""
        self._stop()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on."""
        self._since_s = time.perf_counter()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the last epoch."""
        self._stop()

    def _stop(self) -> None:
        if self.run_seconds:
            self.run_seconds[-1] += time.perf_counter() - self._since_s


class Switched(Turns):
    """Times the epochs of a run of which `switch` turns a part off, before even ones, and on."""

    def __init__(self, switch: Callable[[lightning.Trainer, bool], None]):
        super().__init__(lambda: None)
        self.switch = switch

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Switch between two clocks."""
        self._stop()
        self.switch(trainer, len(self.run_seconds) % 2 == 1)
        self._since_s = time.perf_counter()
        super().on_train_epoch_start(trainer, pl_module)


def normal_run(overrides: Sequence[str], *first: lightning.Callback, epochs: int) -> None:
    """Compose and train a run as `src.train` does, with callbacks `first`."""
    register()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # as conf/hydra/job_logging/run.yaml does
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere, quiet():
        here = [f"trainer.max_epochs={epochs}", f"run={folder}"]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = plain(compose("train", [*overrides, *here]))
        run_model, data, trainer = (build(config[group]) for group in ("model", "data", "trainer"))
        for callback in trainer.callbacks:
            if isinstance(callback, ProgressBar):
                callback.console = Console(file=nowhere, force_terminal=True)
        trainer.callbacks[:0] = first
        record = Record(Path(folder))
        train(run_model, data, trainer, record=record, monitor=config["monitor"], mode=config["mode"])
