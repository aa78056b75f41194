"""Prints what the framework costs as one table and writes it as CSV.

make bench
make bench ARGS="softmax_regression help --rounds 21 --csv here.csv"
make bench ARGS="resnet18 alone_resnet18 --accelerator gpu"     both sides there; the ceiling, one batch of noise
python -m tests.benchmarks profile fashion_dnn     where the microseconds of a step go
"""

import argparse
import csv
import os
import sys
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
from tests.benchmarks.profile import profile
from tests.benchmarks.report import over_runs
from tests.benchmarks.row import HEADER, Row
from tests.benchmarks.scaling import over_batch_size, over_size
from tests.benchmarks.shared import second_process
from tests.benchmarks.speed import over, over_itself
from tests.benchmarks.startup import answers, first_step
from tests.benchmarks.stranger import over_plain
from tests.benchmarks.task import TRAIN_BATCHES, Task, tasks
from tests.benchmarks.together import over_jobs, over_processes
from tests.benchmarks.transfer import over_published_transfer
from tests.benchmarks.whole import UNITS, compare

WHOLE = ("softmax_regression", "fashion_dnn", "fashion_cnn", "resnet18")  # nets that are also measured otherwise


def main() -> None:
    """Measure the rows that the command line names, or all of them; or profile a net."""
    profiles = sys.argv[1:2] == ["profile"]
    arguments = (profile_parser() if profiles else parser()).parse_args(sys.argv[2:] if profiles else None)
    if arguments.accelerator == "gpu" and not torch.cuda.is_available():
        raise SystemExit("error: --accelerator gpu: torch sees none")
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder, holds = data_dir(Path(scratch))
        if profiles:
            known = tasks(folder, steps=arguments.steps, accelerator=arguments.accelerator)
            task = known[arguments.net].but(*arguments.overrides)
            Console(width=120, highlight=False).print(profile(task, rounds=arguments.rounds or 5))
            return
        measure(arguments, folder, Path(scratch), holds)


def measure(arguments: argparse.Namespace, folder: Path, scratch: Path, holds: str) -> None:
    """Run the rows, show them and write them."""
    load = os.getloadavg()[0]  # what others run on this machine: above 0, two threads wait for each other
    arguments.csv.parent.mkdir(parents=True, exist_ok=True)
    known = benchmarks(
        tasks(folder, steps=arguments.steps, accelerator=arguments.accelerator),
        scratch,
        pictures=arguments.csv.parent,
        steps=arguments.steps,
        threads=arguments.threads,
    )
    rows = []
    for name in arguments.rows or known:
        print(f"{name} ...", flush=True)
        rows.append(known[name](rounds=arguments.rounds) if arguments.rounds else known[name]())
    show(rows, f"{holds}; {arguments.threads} threads; {cpu()}, {os.cpu_count()} cores, load {load:.1f} before")
    with arguments.csv.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *(row.cells() for row in rows)])


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    names = list(benchmarks(tasks(Path()), Path(), pictures=Path(), steps=None, threads=1))
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    made.add_argument("rows", nargs="*", choices=[*names, []], help="default: all")
    made.add_argument("--csv", type=Path, default=Path("outputs/bench.csv"), help="plots go beside it")
    return _shared(made)


def profile_parser() -> argparse.ArgumentParser:
    """What it takes after `profile`."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks profile", description=profile.__doc__)
    made.add_argument("net", choices=list(tasks(Path())))
    made.add_argument("overrides", nargs="*", help="of the run")
    return _shared(made)


def _shared(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    made.add_argument("--rounds", type=int, help="of each row, each with both sides; every row has its own default")
    made.add_argument("--threads", type=int, default=2, help="of torch, on all sides; default: 2")
    made.add_argument("--accelerator", choices=["cpu", "gpu"], default="cpu", help="of both sides, in rows of epochs")
    made.add_argument("--steps", type=int, help="of an epoch at most, to try things out")
    return made


def benchmarks(
    task: dict[str, Task], scratch: Path, *, pictures: Path, steps: int | None, threads: int
) -> dict[str, Callable[..., Row]]:
    """What can be measured, by name, of the tasks."""
    folder = task["fashion_dnn"].data_dir
    files = "cifar10_folder" if (folder / "cifar10").is_dir() else "fashionmnist"  # 60,000 of them
    softmax, dnn, cnn = task["softmax_regression"], task["fashion_dnn"], task["fashion_cnn"]
    run = partial(compare, data_dir=folder, steps=steps or TRAIN_BATCHES, threads=threads, rounds=3)
    return {
        "fashion_cnn": partial(over, "bare loop", cnn, asked=0.98, rounds=3),
        "resnet18": partial(over, "bare loop", task["resnet18"], asked=0.98, rounds=5),
        "fashion_dnn": partial(over, "bare loop", dnn, asked=0.90, rounds=11),
        "softmax_regression": partial(over, "bare loop", softmax, asked=0.38, rounds=21),
        "gate_xor_mlp": partial(over, "bare loop", task["gate_xor_mlp"], asked=0.40, rounds=5),
        **{f"alone_{net}": partial(over, "net alone", task[net], asked=None, rounds=3) for net in WHOLE},
        "published": partial(over, "published loop", dnn, asked=3.0, rounds=5),
        "plain_dnn": partial(over, "plain Lightning", dnn, asked=4.0, rounds=5),
        "plain_softmax": partial(over, "plain Lightning", softmax, asked=4.0, rounds=5),
        "stranger_dnn": partial(over_plain, dnn, asked=0.95, rounds=7),
        "stranger_softmax": partial(over_plain, softmax, asked=200.0, rounds=7, is_added=True),
        "fast": partial(run, "seconds", "fashion_cnn", "published loop", overrides=("trainer=fast",), asked=2.0),
        "dataset_size": partial(
            over_size, dnn, scratch, asked=1.05, rounds=3, picture=pictures / "bench_dataset_size.png"
        ),
        "batch_size": partial(over_batch_size, dnn, rounds=3, picture=pictures / "bench_batch_size.png"),
        "catdog": partial(over_published_transfer, folder, asked=1.5, rounds=3),
        "checkpoints": partial(over_itself, dnn, "checkpoints", asked=1.05, rounds=11),
        "guard": partial(over_itself, dnn, "guard", asked=1.01, rounds=21),
        "callbacks": partial(share_of_epoch, cnn, asked=3.0, rounds=5),
        "ddp_cpu": partial(over_processes, dnn, asked=0.9, rounds=5),
        "joblib": partial(over_jobs, dnn, asked=1.8, rounds=3),
        "help": partial(answers, ["--help"], asked=0.6, rounds=7),
        "cfg": partial(answers, ["--cfg", "job"], asked=0.6, rounds=7),
        "first_step": partial(first_step, folder, "experiment=fashion_dnn", asked=1.0, rounds=7),
        "first_step_files": partial(first_step, folder, "model=fashion_dnn", f"data={files}", asked=1.0, rounds=7),
        "second_process": partial(second_process, folder, asked=5.0, rounds=1),
        "report": partial(over_runs, 500, asked=1.0, rounds=5),
        "memory_cnn": partial(peak, "fashion_cnn", folder, times=4, rounds=1),
        "memory_dnn": partial(peak, "fashion_dnn", folder, times=4, rounds=1),
        **{f"whole_{net}_{figure}": partial(run, figure, net, "published loop") for net in WHOLE for figure in UNITS},
    }


def show(rows: list[Row], caption: str) -> None:
    """Print the rows as a table."""
    table = Table(*HEADER, box=None, caption=caption, caption_justify="left")
    for row in rows:
        table.add_row(*row.cells())
    Console(width=160, highlight=False).print(table)


if __name__ == "__main__":
    main()
