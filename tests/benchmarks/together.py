"""Two processes for one run, and two jobs at once, against one of each on the same cores."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from src.run.record import read
from tests.benchmarks.memory import ROOT
from tests.benchmarks.row import Row
from tests.benchmarks.task import CLASSES, Task

QUIET = ("~callback.progress", "~callback.figures", "~callback.predictions", "logger=csv")
JOBS = 4


def over_processes(task: Task, *, asked: float, rounds: int) -> Row:
    """Samples per second of two processes with a thread each, as a share of those of one process with two threads.

    `sides` has a bare loop in two processes too, without and with DDP: what its averaging alone costs.
    """
    sides: dict[str, list[float]] = {"trainer=ddp_cpu": [], "trainer=cpu": []}
    for _ in range(rounds):
        for trainer, speeds in sides.items():
            threads = 1 if trainer == "trainer=ddp_cpu" else 2
            with tempfile.TemporaryDirectory() as folder:
                _train([*task.run, trainer, "trainer.max_epochs=2", "test=false"], Path(folder), threads=threads)
                (run,) = Path(folder).rglob("run.json")
                speeds.append(read(run.parent)["samples_per_second"])
    two, one = sides.values()
    apart, averaged = (bare_together(task, averages=averages) for averages in (False, True))
    return Row(
        f"{task.name}: ddp_cpu, 2 processes of a thread / 1 process of 2 threads",
        [ours / theirs for ours, theirs in zip(two, one, strict=True)],
        asked,
        sides=f"{median(two):,.0f} / {median(one):,.0f} samples/s; "
        f"bare loop in 2 processes: {apart:,.0f}, with DDP {averaged:,.0f}",
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


def bare_together(task: Task, *, averages: bool) -> float:
    """Return the samples per second of a bare loop in two processes of a thread, which DDP averages or nothing does."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = context.Pipe(duplex=False)
        ranks = [
            context.Process(target=_bare_rank, args=(task, rank, averages, f"file://{folder}/meeting", theirs))
            for rank in range(2)
        ]
        for process in ranks:
            process.start()
        speed: float = ours.recv()
        for process in ranks:
            process.join()
    return speed


def _bare_rank(task: Task, rank: int, averages: bool, meeting: str, said: Connection) -> None:
    import torch
    from torch import distributed
    from torch.nn import functional as F
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    net, part = task.net(), task.batch_size // 2
    model = DistributedDataParallel(net) if averages else net
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    x_BCHW, target_B = torch.rand(part, 1, task.side, task.side), torch.randint(0, CLASSES, (part,))
    for _ in range(2):  # the first epoch warms up
        distributed.barrier()
        start_s = time.perf_counter()
        for _ in range(task.steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x_BCHW), target_B).backward()
            optimizer.step()
        distributed.barrier()
    if rank == 0:
        said.send(task.samples / (time.perf_counter() - start_s))
    distributed.destroy_process_group()
