"""A sweep's jobs over the GPUs of this machine: one process per job, from a queue; a crash costs one job."""

import os
import pickle
import signal
import tempfile
import time
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]

from src.run.child import Child
from src.sweep.job_process import Job, Outcome, module_path
from src.sweep.parallel import Parallel

GRACE_S = 60.0  # for a run that is told to stop to write its checkpoint


class LocalGpus(Parallel):
    """Runs `jobs_per_gpu` jobs at once on each of `gpus`, their numbers among those that are visible, or auto: on all.

    Each process sees its GPU alone. Where there is none, `slots` says how many jobs share the CPU.
    """

    def __init__(self, *, gpus: str | Sequence[int] = "auto", jobs_per_gpu: int = 1, slots: int | None = None):
        self.gpus = gpus
        self.jobs_per_gpu = jobs_per_gpu
        self.slots = slots

    def prepare(self) -> None:
        """Find the GPUs; raises ValueError where they are not what the settings say."""
        for name, value in (("jobs_per_gpu", self.jobs_per_gpu), ("slots", self.slots)):
            if value is not None and value < 1:
                raise ValueError(f"hydra.launcher.{name}={value}: set at least 1")
        self.places: list[str | None] = [None] * self.slots if self.slots else [*self._chosen()] * self.jobs_per_gpu
        self.at_once = len(self.places)
        self.share_cores()

    def _chosen(self) -> list[str]:
        """Return the names of the chosen GPUs."""
        there = visible()
        if not there:
            raise ValueError(
                f"hydra.launcher.gpus={self.gpus}: no GPU here: hydra.launcher.slots=2 runs two jobs at once on the CPU"
            )
        if self.gpus == "auto":
            return there
        numbers = [number for number in self.gpus if isinstance(number, int)]
        if not numbers or len(set(numbers)) < len(numbers) or not set(numbers) <= set(range(len(there))):
            raise ValueError(
                f"hydra.launcher.gpus={self.gpus}: choose auto or some of {list(range(len(there)))}, each once"
            )
        return [there[number] for number in numbers]

    def outcomes(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Outcome]]:
        """Start a job wherever a place is free; where the iterator is closed, stop those that run."""
        waiting, free = deque(jobs), deque(self.places)
        running: list[Process] = []
        with tempfile.TemporaryDirectory() as folder:
            try:
                while waiting or running:
                    while waiting and free:
                        running.append(Process(waiting.popleft(), free.popleft(), Path(folder)))
                    for process in [process for process in running if process.child.has_ended]:
                        running.remove(process)
                        free.append(process.gpu)
                        yield process.job, process.outcome()
                    time.sleep(0.02)
            finally:
                for process in running:
                    process.child.signal(signal.SIGINT)
                for process in running:
                    process.child.end(GRACE_S)


class Process:
    """A job in a process of its own, which sees one GPU, or what this one sees."""

    def __init__(self, job: Job, gpu: str | None, folder: Path):
        self.job, self.gpu, self.file = job, gpu, folder / f"{job.number}"
        self.file.write_bytes(cloudpickle.dumps(job))
        environment = {"PYTHONPATH": module_path()}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        self.child = Child("src.sweep.job_process", str(self.file), environment=environment)

    def outcome(self) -> Outcome:
        """Return what the process that has ended left."""
        self.child.end(GRACE_S)
        if self.child.code == 0:
            return pickle.loads(self.file.read_bytes())
        return Outcome(lost=f"its process {self.child.fate()}")


def visible() -> list[str]:
    """The names of the GPUs that this process sees, as CUDA_VISIBLE_DEVICES lists them."""
    import torch

    count = torch.cuda.device_count()
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return names[:count] or [str(number) for number in range(count)]
