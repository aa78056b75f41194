"""Prints what the framework costs as one table and writes it to outputs/bench.csv.

make bench
make bench ARGS="softmax_regression help --rounds 21"
"""

import argparse
import csv
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from src.run.record import cpu
from tests.benchmarks.callbacks import share_of_epoch
from tests.benchmarks.dataset import data_dir
from tests.benchmarks.memory import peak
from tests.benchmarks.row import HEADER, Row
from tests.benchmarks.speed import over_bare_gate, over_bare_loop, over_itself, over_published_loop
from tests.benchmarks.startup import answers
from tests.benchmarks.transfer import over_published_transfer

SOFTMAX_STEPS = 60  # of 540 batches


def main() -> None:
    """Measure the rows that the command line names, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*benchmarks(Path()), []], help="default: all")
    parser.add_argument("--rounds", type=int, help="of each row, each with both sides; every row has its own default")
    parser.add_argument("--threads", type=int, default=2, help="of torch, on both sides; default: 2")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    load = os.getloadavg()[0]  # what others run on this machine: above 0, two threads wait for each other
    with tempfile.TemporaryDirectory() as scratch:
        folder, holds = data_dir(Path(scratch))
        chosen = {name: run for name, run in benchmarks(folder).items() if name in (arguments.rows or [name])}
        rows = []
        for name, run in chosen.items():
            print(f"{name} ...", flush=True)
            rows.append(run(rounds=arguments.rounds) if arguments.rounds else run())
    show(rows, f"{holds}; {arguments.threads} threads; {cpu()}, {os.cpu_count()} cores, load {load:.1f} before")
    write(rows, Path("outputs/bench.csv"))


def benchmarks(folder: Path) -> dict[str, Callable[..., Row]]:
    """What can be measured, by name; `folder` is where Fashion-MNIST lies."""
    return {
        "fashion_cnn": partial(over_bare_loop, "fashion_cnn", folder, asked=0.95, rounds=3, batches=270),
        "fashion_dnn": partial(over_bare_loop, "fashion_dnn", folder, asked=0.75, rounds=11),
        "softmax_regression": partial(over_bare_loop, "softmax_regression", folder, asked=0.35, rounds=21),
        "softmax_calls": partial(
            over_bare_loop, "softmax_regression", folder, asked=0.60, rounds=21, steps_per_call=SOFTMAX_STEPS
        ),
        "gate_xor_mlp": partial(over_bare_gate, asked=0.60, rounds=11),
        "published": partial(over_published_loop, "fashion_dnn", folder, asked=2.5, rounds=5),
        "catdog": partial(over_published_transfer, folder, asked=1.5, rounds=3),
        "checkpoints": partial(over_itself, "fashion_dnn", folder, "checkpoints", asked=1.05, rounds=11),
        "guard": partial(over_itself, "fashion_dnn", folder, "guard", asked=1.01, rounds=21),
        "callbacks": partial(share_of_epoch, "fashion_cnn", folder, asked=3.0, rounds=5),
        "help": partial(answers, ["--help"], asked=0.6, rounds=7),
        "cfg": partial(answers, ["--cfg", "job"], asked=0.6, rounds=7),
        "memory_cnn": partial(peak, "fashion_cnn", folder, times=4, rounds=1),
        "memory_dnn": partial(peak, "fashion_dnn", folder, times=4, rounds=1),
    }


def show(rows: list[Row], caption: str) -> None:
    """Print the rows as a table."""
    table = Table(*HEADER, box=None, caption=caption, caption_justify="left")
    for row in rows:
        table.add_row(*row.cells())
    Console(width=160, highlight=False).print(table)


def write(rows: list[Row], path: Path) -> None:
    """Write the rows as CSV."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *(row.cells() for row in rows)])


if __name__ == "__main__":
    main()
