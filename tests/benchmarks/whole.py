"""A whole run in a process of its own: five epochs with validation and checkpoints, then the test; by hand, or ours.

python -m tests.benchmarks.whole SIDE NET DATA_DIR STEPS THREADS OVERRIDE...     prints its figures as JSON
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks.memory import ROOT, peak_bytes
from tests.benchmarks.row import Row

if TYPE_CHECKING:  # the probe counts what torch and the rest add
    from tests.benchmarks.loops import Loop
    from tests.benchmarks.task import Task

EPOCHS = 5
SIDES = ("normal run", "bare loop", "published loop", "plain Lightning")
UNITS = {"seconds": "s", "first_step_s": "s", "added_mb": "MB"}
Figures = dict[str, float]


def compare(
    figure: str, net: str, over: str, data_dir: Path, *, steps: int, threads: int, rounds: int,
    overrides: tuple[str, ...] = (), asked: float | None = None,
) -> Row:  # fmt: skip
    """One of UNITS of the side `over` as a multiple of a normal run's; `sides` has the medians of all that ran.

    `seconds` are from the end of imports to the end of the test, `first_step_s` to the first optimizer step, `added_mb`
    the peak over that after imports.
    """
    sides = ("normal run", over) if overrides else SIDES
    taken = measured(net, data_dir, sides, overrides, steps=steps, threads=threads, rounds=rounds)
    ratios = [theirs[figure] / ours[figure] for ours, theirs in zip(taken["normal run"], taken[over], strict=True)]
    shown = [f"{side} {median(each[figure] for each in taken[side]):.1f}" for side in sides]
    words = {"seconds": "whole run", "first_step_s": "first step", "added_mb": "peak memory over imports"}[figure]
    name = " ".join([net, *overrides])
    return Row(f"{name}: {words}, {over} / normal run", ratios, asked, sides=", ".join(shown) + f" {UNITS[figure]}")


@cache
def measured(
    net: str, data_dir: Path, sides: Sequence[str], overrides: Sequence[str], *, steps: int, threads: int, rounds: int
) -> dict[str, list[Figures]]:
    """Return the figures of each side's runs, the sides in turns; asked twice, they are measured once."""
    taken: dict[str, list[Figures]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            own = overrides if side == "normal run" else ()
            taken[side].append(_process([side, net, str(data_dir), str(steps), str(threads), *own]))
    return taken


def _process(arguments: Sequence[str]) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.whole", *arguments],
            cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-1000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def probe(side: str, net: str, data_dir: str, steps: str, threads: str, *overrides: str) -> None:
    """Run one side and print its figures."""
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from tests.benchmarks.loops import bare, published
    from tests.benchmarks.memory import IMPORTS
    from tests.benchmarks.plain import whole
    from tests.benchmarks.task import tasks

    for name in IMPORTS:
        __import__(name)
    torch.set_num_threads(int(threads))
    task = tasks(Path(data_dir), steps=int(steps))[net].but(*overrides)
    before, start_s, stepped_s = peak_bytes(), time.perf_counter(), []
    hook = register_optimizer_step_post_hook(
        lambda *rest: stepped_s.append(time.perf_counter()) if not stepped_s else 0
    )
    here = Path.cwd()
    run: dict[str, Callable[[], object]] = {
        "normal run": lambda: _ours(task.run),
        "bare loop": lambda: _by_hand(bare(task), task, here),
        "published loop": lambda: _by_hand(published(task), task, here),
        "plain Lightning": lambda: whole(task, here, epochs=EPOCHS),
    }
    run[side]()
    hook.remove()
    figures = {"seconds": time.perf_counter() - start_s, "first_step_s": stepped_s[0] - start_s}
    print()
    print(json.dumps(figures | {"added_mb": (peak_bytes() - before) / 1e6}))


def _ours(overrides: Sequence[str]) -> None:
    """Train as from the command line."""
    from src.train import main

    sys.argv = ["src/train.py", *overrides, f"trainer.max_epochs={EPOCHS}"]
    main()


def _by_hand(loop: "Loop", task: "Task", folder: Path) -> None:
    """Train with a loop, score 6,000 images and write a checkpoint after each epoch, and score the test set."""
    import torch

    from tests.benchmarks.loops import in_memory

    x_NCHW, target_N = in_memory(task, train=False)

    def accuracy(samples: int) -> float:
        loop.net.eval()
        with torch.no_grad():
            right = [(loop.net(x_B).argmax(1) == target_B).sum() for x_B, target_B in
                     zip(x_NCHW[:samples].split(1000), target_N[:samples].split(1000), strict=True)]  # fmt: skip
        return sum(int(count) for count in right) / samples

    for _ in range(EPOCHS):
        loop()
        accuracy(6000)
        torch.save({"net": loop.net.state_dict(), "optimizer": loop.optimizer.state_dict()}, folder / "last.ckpt")
    accuracy(len(target_N))


if __name__ == "__main__":
    probe(*sys.argv[1:])
