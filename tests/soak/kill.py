"""Runs killed with signal 9 at random moments and resumed each time end in the bits of runs that were not."""

import csv
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from src.run.record import read
from tests.soak.victim import MOMENTS

ROOT = Path(__file__).parents[2]
COMMON = (
    "trainer.max_epochs=4",
    "trainer.log_every_n_steps=7",
    "data.batch_size=50",
    "callback.checkpoint.every_n_steps=5",
)
RUNS = {
    "dropout, crops, one cycle": ("model=fashion_cnn", "data.crop_padding=1", "scheduler=onecycle", *COMMON),
    "accumulation, flips, validation in the epoch": (
        *("model=fashion_dnn", "data.horizontal_flip=true", "trainer.accumulate_grad_batches=2"),
        *("trainer.val_check_interval=7", "+callback=lr_monitor", *COMMON),
    ),
    "early stopping, warm-up, clipping": (
        *("model=fashion_dnn", "scheduler=warmup", "trainer.gradient_clip_val=0.5", "+callback=early_stopping"),
        *("callback.early_stopping.patience=1", "callback.early_stopping.min_delta=0.2", *COMMON),
    ),
}
START_UP = "in start-up"
LIMIT_S = 300


@dataclass
class Trial:
    """One run: how often it was killed at which moment, and what differs from the run that was not."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    differs: list[str] = field(default_factory=list)
    seconds: float = 0.0


def trials(folder: Path, *, kills: int, seed: int = 0) -> Iterator[Trial]:
    """Yield a trial for each run, in turn over RUNS, until there were `kills` kills; the last may have a few less."""
    chance, left, number = random.Random(seed), kills, 0
    whole = {name: folder / f"whole_{index}" for index, name in enumerate(RUNS)}
    while left > 0:
        name = list(RUNS)[number % len(RUNS)]
        start_s, trial, run = time.monotonic(), Trial(name), folder / f"killed_{number}"
        if not whole[name].exists():
            assert start(whole[name], name).wait(timeout=LIMIT_S) == 0, f"{name} fails without a kill"
        while left > 0 and (moment := one_kill(run, name, chance)):
            trial.kills[moment] += 1
            left -= 1
        if start(run, name).wait(timeout=LIMIT_S):
            trial.differs.append("does not end")
        else:
            trial.differs += differences(run, whole[name])
        trial.seconds = time.monotonic() - start_s
        number += 1
        yield trial


def one_kill(run: Path, name: str, chance: random.Random) -> str | None:
    """Start or resume the run and kill it; return the moment, or None where it ended before that came."""
    moment = chance.choice([START_UP, *MOMENTS])
    if moment == START_UP:
        process = start(run, name)
        try:
            process.wait(timeout=chance.uniform(0.2, 6))
        except subprocess.TimeoutExpired:
            process.kill()
    else:
        process = start(run, name, "tests.soak.victim", moment, str(chance.randint(1, 25)))
    return moment if process.wait(timeout=LIMIT_S) == -signal.SIGKILL else None


def start(run: Path, name: str, *program: str) -> subprocess.Popen[bytes]:
    """Start the run, or go on with it where it has begun."""
    arguments = (f"run={run}",) if (run / "run.json").exists() else (*RUNS[name], f"hydra.run.dir={run}")
    command = [sys.executable, "-m", *(program or ("src.train",)), *arguments]
    with run.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log, stderr=log)


def differences(run: Path, whole: Path) -> list[str]:
    """What of two runs' results is not the same."""
    results = {
        "weights": weights_sha256,
        "curves": rows,
        "record": lambda folder: {name: read(folder)[name] for name in ("state", "epochs", "steps", "metrics", "best")},
    }
    return [name for name, result in results.items() if result(run) != result(whole)]


def weights_sha256(run: Path) -> str:
    """The sha256 of the names, shapes and bytes of the last weights."""
    digest = hashlib.sha256()
    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name, value in sorted(weights.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode() + value.numpy().tobytes())
    return digest.hexdigest()


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without wall-clock columns."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{key: row[key] for key in row if "seconds" not in key} for row in csv.DictReader(file)]
