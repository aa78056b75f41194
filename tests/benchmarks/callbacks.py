"""What the callbacks that are on by default cost, as a share of a training epoch.

They do nothing while batches are trained on: their cost is that of a test with them over a test without, in turns.
"""

import logging
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from hydra import compose, initialize_config_dir

from src.command.entry import CONF
from src.config.build import build
from src.config.plain import plain
from src.config.schema import register
from src.run.quiet import quiet
from src.run.record import Record
from src.train import train
from tests.benchmarks.row import Row
from tests.benchmarks.task import Task
from tests.benchmarks.turns import Turns

SHOWN = ("predictions", "figures", "hparams")


def share_of_epoch(task: Task, *, asked: float, rounds: int) -> Row:
    """Percent of an epoch that predictions, pictures and the HPARAMS row take, once a run."""
    register()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # as conf/hydra/job_logging/run.yaml does
    settings = [*task.run, "trainer.max_epochs=1"]
    with tempfile.TemporaryDirectory() as folder, quiet():
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = plain(compose("train", [*settings, f"run={folder}"]))
        built, data, trainer = (build(config[group]) for group in ("model", "data", "trainer"))
        shown = [build(config["callback"][name]) for name in SHOWN]
        trainer.callbacks = [callback for callback in trainer.callbacks if type(callback) not in map(type, shown)]
        turns = Turns(lambda: None)
        trainer.callbacks.insert(0, turns)
        record = Record(Path(folder))
        record.update(model=task.name, data="fashionmnist", seed=0, overrides=[])
        train(built, data, trainer, record=record, monitor=config["monitor"], mode=config["mode"])
        without = trainer.callbacks
        added = [
            _test_s(trainer, built, data, [*without, *shown]) - _test_s(trainer, built, data, without)
            for _ in range(rounds + 1)
        ][1:]  # the first round warms up
    epoch_s = turns.run_seconds[0]
    sides = f"{median(added):.2f} s / {epoch_s:.1f} s; load {os.getloadavg()[0]:.1f}"
    return Row(
        f"{task.name}: pictures, predictions and HPARAMS / an epoch",
        [100 * seconds / epoch_s for seconds in added],
        asked,
        at_most=True,
        unit=" %",
        sides=sides,
    )


def _test_s(trainer: Any, model: Any, data: Any, callbacks: list[Any]) -> float:
    trainer.callbacks = callbacks
    start_s = time.perf_counter()
    trainer.test(model, data, verbose=False)
    return time.perf_counter() - start_s
