"""A sweep's jobs through submitit: processes on this machine, or an array of SLURM's jobs."""

import os
import shutil
import signal
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import submitit
from hydra.core.utils import env_override
from submitit.core.utils import FailedJobError, UncompletedJobError

from src.sweep.job_process import Job, Outcome, module_path
from src.sweep.parallel import Parallel

POLL_S, GRACE_S = 0.1, 60.0
Handle = submitit.Job[Outcome]


class Submitit(Parallel):
    """Submits the jobs to `cluster`, local or slurm, `array_parallelism` at once; submitit's files go to `folder`.

    `settings` are submitit's own, under the names that it documents for the cluster.
    """

    def __init__(self, *, cluster: str, folder: str, array_parallelism: int, **settings: Any):
        self.cluster = cluster
        self.folder = folder
        self.array_parallelism = array_parallelism
        self.settings = settings

    def prepare(self) -> None:
        """Share this machine's cores out; what a job of SLURM's gets is SLURM's affair."""
        if self.array_parallelism < 1:
            raise ValueError(f"hydra.launcher.array_parallelism={self.array_parallelism}: set at least 1")
        self.at_once = self.array_parallelism
        if self.cluster == "local":
            self.share_cores()
        elif not shutil.which("sbatch") or not shutil.which("srun"):
            raise ValueError("hydra/launcher=submitit_slurm: no sbatch and srun here: start it where SLURM is")

    def outcomes(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Outcome]]:
        """Submit the jobs; where the iterator is closed, cancel those that have not ended."""
        executor, at_once = self._executor(len(jobs))
        waiting, running = deque(jobs), list[tuple[Job, Handle]]()
        try:
            while waiting or running:
                batch = [waiting.popleft() for _ in range(min(len(waiting), at_once - len(running)))]
                if batch:
                    with env_override({"PYTHONPATH": module_path(), "PYTHONSAFEPATH": "1"}), _deaf_to_ctrl_c():
                        running += zip(batch, executor.submit_array(batch), strict=True)
                for job, handle in [(job, handle) for job, handle in running if handle.done()]:
                    running.remove((job, handle))
                    yield job, _outcome(handle)
                time.sleep(POLL_S)
        finally:
            self._cancel([handle for _, handle in running])

    def _executor(self, jobs: int) -> tuple[submitit.AutoExecutor, int]:
        """Return where to submit, and how many jobs to have there at once: SLURM itself holds an array's jobs back."""
        is_local = self.cluster == "local"
        settings = self.settings | ({} if is_local else {"array_parallelism": self.array_parallelism})
        timeouts = {"slurm_max_num_timeout": settings.pop("max_num_timeout")} if "max_num_timeout" in settings else {}
        executor = submitit.AutoExecutor(self.folder, self.cluster, **timeouts)
        shared = executor._valid_parameters()  # the others are called after the cluster
        executor.update_parameters(
            **{name if name in shared else f"{self.cluster}_{name}": value for name, value in settings.items()}
        )
        return executor, min(jobs, self.array_parallelism) if is_local else jobs

    def _cancel(self, handles: Sequence[Handle]) -> None:
        """End jobs as SIGTERM does, which leaves a checkpoint; wait for those on this machine."""
        for handle in handles:
            if self.cluster == "local":
                os.kill(int(handle.job_id), signal.SIGTERM)  # it passes it on
            else:
                handle.cancel(check=False)
        deadline_s = time.monotonic() + GRACE_S
        while self.cluster == "local" and time.monotonic() < deadline_s and not all(job.done() for job in handles):
            time.sleep(POLL_S)


def _outcome(handle: Handle) -> Outcome:
    try:
        return handle.result()
    except (UncompletedJobError, FailedJobError):
        return Outcome(lost=f"its process left no result ({handle.state}): {handle.paths.stderr} may say why")


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Let processes that start in the block ignore Ctrl-C, which reaches them too, until a run listens to it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
