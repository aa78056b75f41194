"""A stranger's module and DataLoader in our Trainer, against the same in plain Lightning with the same settings."""

import tempfile
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from src.fit.checkpoint import Checkpoint
from src.fit.csv_logger import CSV
from src.fit.guard import Guard
from src.fit.life import accompany
from src.fit.recorder import Recorder
from src.fit.trainer import Trainer
from src.run.checkpoint_io import CheckpointIO
from src.run.quiet import quiet
from src.run.record import Record
from tests.benchmarks.loops import samples
from tests.benchmarks.plain import WORKERS, Classifier, Clock, silence
from tests.benchmarks.row import Row
from tests.benchmarks.task import Task

LARGE_MS = 2.0  # a step of so much is judged by its share, a shorter one by what is added


class Loaded(lightning.LightningDataModule):
    """One DataLoader with workers."""

    def __init__(self, task: Task):
        super().__init__()
        self.rows, self.batch_size = samples(task), task.batch_size

    def train_dataloader(self) -> Any:
        """Return it anew."""
        return DataLoader(self.rows, batch_size=self.batch_size, shuffle=True, num_workers=WORKERS)


def over_plain(task: Task, *, asked: float, rounds: int, is_added: bool = False) -> Row:
    """Compare epochs in turns: plain Lightning's seconds over ours, or (`is_added`) what a batch takes more with us."""
    data, values, sides = Loaded(task), [], (0.0, 0.0)
    for _ in range(rounds + 1):
        sides = _plain(task, data), _ours(task, data)
        extra_us = 1e6 * (sides[1] - sides[0]) / task.steps
        values.append(extra_us if is_added else sides[0] / sides[1])
    step_ms = 1e3 * sides[0] / task.steps
    what = f"`{task.name}`, a stranger's module and loader: "
    what += "time added to a batch of plain Lightning" if is_added else "plain Lightning / ours"
    unit = " us" if is_added else ""
    said = f"a step of plain Lightning takes {step_ms:.1f} ms"
    return Row(what, values[1:], asked, at_most=is_added, unit=unit, sides=said)  # the first round warms up


def _plain(task: Task, data: Loaded) -> float:
    with tempfile.TemporaryDirectory() as folder:
        loggers = [TensorBoardLogger(folder), CSVLogger(folder)]
        kept = ModelCheckpoint(folder, save_last=True)
        return _epoch(task, data, lightning.Trainer, folder, callbacks=[kept], logger=loggers)


def _ours(task: Task, data: Loaded) -> float:
    with tempfile.TemporaryDirectory() as folder:
        record = Record(Path(folder))
        callbacks = [Checkpoint(f"{folder}/checkpoints", monitor="train_loss"), Guard(), Recorder(record)]
        loggers = [TensorBoardLogger(folder), CSV(folder)]
        plugins = [CheckpointIO()]
        return _epoch(task, data, Trainer, folder, callbacks=callbacks, logger=loggers, plugins=plugins, record=record)


def _epoch(task: Task, data: Loaded, kind: Any, folder: str, *, record: Any = None, **settings: Any) -> float:
    clock = Clock()
    limits = {"limit_train_batches": task.steps, "limit_val_batches": 0, "max_epochs": 1}
    settings["callbacks"] = [clock, *settings["callbacks"]]
    shown = {"enable_progress_bar": False, "enable_model_summary": False}
    with silence(), quiet():
        trainer = kind(accelerator=task.accelerator, default_root_dir=folder, **limits, **shown, **settings)
        if record is not None:
            accompany(trainer, seed=0, monitor="train_loss", is_required=False, is_resumed=False, record=record)
        trainer.fit(Classifier(task.net()), datamodule=data)
    return clock.seconds
