"""Seconds until a command answers what it can answer without computing, and until a run has taken its first step."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import lightning

from tests.benchmarks.row import Row

ROOT = Path(__file__).parents[2]


def answers(question: list[str], *, asked: float, rounds: int) -> Row:
    """Wall time of `python -m src.train <question>`, beside an interpreter that does nothing.

    Infinite where torch was imported, which a wall clock alone might miss on a fast machine.
    """
    command = [sys.executable, "-m", "src.train", *question]
    seconds, empty = [], []
    for _ in range(rounds):
        empty.append(_wall_s([sys.executable, "-c", ""]))
        seconds.append(_wall_s(command))
    listed = subprocess.run([*command[:1], "-X", "importtime", *command[1:]], cwd=ROOT, capture_output=True, text=True)
    imported = any(line.split("|")[-1].strip() == "torch" for line in listed.stderr.splitlines())
    torch = "torch IMPORTED" if imported else "torch not imported"
    return Row(
        f"src.train {' '.join(question)}",
        [float("inf")] if imported else seconds,
        asked,
        at_most=True,
        unit=" s",
        sides=f"{torch}; python alone {min(empty):.2f} s",
    )


class End(lightning.Callback):
    """Ends the process when the first training step is done."""

    def on_train_batch_end(self, *args: Any) -> None:
        """End it."""
        os._exit(0)


def first_step(data_dir: Path, *settings: str, asked: float, rounds: int) -> Row:
    """Wall time of `python -m src.train` up to the first step, over that of the imports it cannot do without.

    Both sides in turn; the first round fills the caches of the system and of the data, and is left out.
    """
    imports = [sys.executable, "-c", "import os, torch, lightning; os._exit(0)"]  # no more of an end than End has
    ends = f"+callback.end._target_={__name__}.End"
    run = [sys.executable, "-m", "src.train", *settings, f"data_dir={data_dir}", ends]
    added, cpu = [], []
    with tempfile.TemporaryDirectory() as folder:
        outside = {"PYTHONPATH": str(ROOT), "CACHE_DIR": f"{folder}/cache", "ALLOWED_TARGETS": "tests"}
        for _ in range(rounds + 1):
            start_s, without = _cpu_s(), _wall_s(imports, folder)
            middle_s, whole = _cpu_s(), _wall_s(run, folder, **outside)
            added.append(whole - without)
            cpu.append(_cpu_s() - middle_s - (middle_s - start_s))
    return Row(
        f"src.train {' '.join(settings)}: first step after imports",
        added[1:],
        asked,
        at_most=True,
        unit=" s",
        sides=f"{median(cpu[1:]):.2f} s of CPU; imports {without:.1f} s; load {os.getloadavg()[0]:.1f}",
    )


def _wall_s(command: list[str], folder: str | Path = ROOT, **outside: str) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, cwd=folder, env=os.environ | outside, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start_s


def _cpu_s() -> float:
    """What the processes that have ended used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
