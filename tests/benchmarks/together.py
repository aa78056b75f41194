"""Two processes for one run, and two jobs at once, against one of each on the same cores."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from src.run.record import read
from tests.benchmarks.memory import ROOT
from tests.benchmarks.row import Row
from tests.benchmarks.task import Task

QUIET = ("~callback.progress", "~callback.figures", "~callback.predictions", "logger=csv")
JOBS = 4


def over_processes(task: Task, *, asked: float, rounds: int) -> Row:
    """Samples per second of two processes with a thread each, as a share of those of one process with two threads."""
    sides: dict[str, list[float]] = {"trainer=ddp_cpu": [], "trainer=cpu": []}
    for _ in range(rounds):
        for trainer, speeds in sides.items():
            threads = 1 if trainer == "trainer=ddp_cpu" else 2
            with tempfile.TemporaryDirectory() as folder:
                _train([*task.run, trainer, "trainer.max_epochs=2", "test=false"], Path(folder), threads=threads)
                (run,) = Path(folder).rglob("run.json")
                speeds.append(read(run.parent)["samples_per_second"])
    two, one = sides.values()
    return Row(
        f"{task.name}: ddp_cpu, 2 processes of a thread / 1 process of 2 threads",
        [ours / theirs for ours, theirs in zip(two, one, strict=True)],
        asked,
        sides=f"{median(two):,.0f} / {median(one):,.0f} samples/s; {_parameters(task):,} gradients meet in each step",
    )


def over_jobs(task: Task, *, asked: float, rounds: int) -> Row:
    """Seconds of four jobs one after the other, as a multiple of those two at once; each has a thread, 2 is ideal."""
    sides: dict[str, list[float]] = {"one": [], "two": []}
    for _ in range(rounds):
        for way, launcher in (("one", []), ("two", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"])):
            jobs = ["-m", f"seed={','.join(map(str, range(JOBS)))}", "trainer=cpu", "trainer.max_epochs=2"]
            with tempfile.TemporaryDirectory() as folder:
                sides[way].append(_train([*jobs, *task.run, *launcher], Path(folder), threads=1))
    return Row(
        f"{task.name}: {JOBS} jobs by joblib, 1 at a time / 2 at once",
        [one / two for one, two in zip(sides["one"], sides["two"], strict=True)],
        asked,
        sides=f"{median(sides['one']):.1f} / {median(sides['two']):.1f} s; two processes import torch, not one",
    )


def _train(arguments: Sequence[str], folder: Path, *, threads: int) -> float:
    """Return the seconds that the command takes."""
    own = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
    start_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "src.train", *arguments, *QUIET], cwd=folder, env=own, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-1000:]}")
    return time.perf_counter() - start_s


def _parameters(task: Task) -> int:
    return sum(parameter.numel() for parameter in task.net().parameters())
