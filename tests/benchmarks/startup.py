"""Seconds until a command answers what it can answer without computing."""

import subprocess
import sys
import time
from pathlib import Path

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


def _wall_s(command: list[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start_s
