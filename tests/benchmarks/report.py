"""Seconds that `src.report` takes on many runs."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from src.run.record import read
from tests.benchmarks.row import Row
from tests.benchmarks.startup import ROOT

SEEDS = 25  # of each setting


def over_runs(number: int, *, asked: float, rounds: int) -> Row:
    """Wall time of the report on `number` run folders, copies of a real one with other learning rates and seeds."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "outputs")
        _train(Path(scratch, "first"))
        for k in range(number):
            _copy(Path(scratch, "first"), folder / f"run{k}", seed=k % SEEDS, lr=0.001 * (1 + k // SEEDS))
        walls, cpus = zip(*(_report(folder) for _ in range(rounds)), strict=True)
    sides = f"CPU {sorted(cpus)[len(cpus) // 2]:.2f} s; load {os.getloadavg()[0]:.1f}"
    return Row(f"src.report on {number} runs", list(walls), asked, at_most=True, unit=" s", sides=sides)


def _train(folder: Path) -> None:
    settings = ["model=softmax_regression", "trainer.max_epochs=2", "~callback.figures", f"hydra.run.dir={folder}"]
    command = [sys.executable, "-m", "src.train", *settings]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def _copy(source: Path, target: Path, **settings: Any) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))
    config = (target / ".hydra" / "config.yaml").read_text()
    lr = OmegaConf.create(config).optimizer.lr
    config = config.replace("\nseed: 0\n", f"\nseed: {settings['seed']}\n").replace(
        f"\n  lr: {lr}\n", f"\n  lr: {settings['lr']}\n"
    )
    (target / ".hydra" / "config.yaml").write_text(config)
    record = read(target)
    record["overrides"] += [f"seed={settings['seed']}", f"optimizer.lr={settings['lr']}"]
    (target / "run.json").write_text(json.dumps(record | {"seed": settings["seed"]}))


def _report(folder: Path) -> tuple[float, float]:
    """Return the seconds on the wall, and of the processor."""
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "src.report", f"run={folder}"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
