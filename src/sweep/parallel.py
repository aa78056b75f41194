"""What launchers that run several jobs at once have in common: each job's end is told, a lost process costs one job."""

import math
import sys
from abc import abstractmethod
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from src.config.compose import compose
from src.run.folder import shown
from src.run.hold import is_held
from src.run.interrupt import interruptible
from src.run.record import Record
from src.run.standing import fields
from src.sweep.grid import is_grid
from src.sweep.job_process import Job, Outcome
from src.view.jobs import named


class Parallel(Launcher):
    """Runs the jobs of a sweep in other processes; a subclass says how many at once, and brings their outcomes."""

    at_once: int  # jobs, known when the launcher is prepared: a search chooses as many before it knows how they end
    threads: int | None = None  # of each job

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives; raises ValueError where this machine lacks what the launcher needs."""
        self.context, self.task, self.config = hydra_context, task_function, config
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Judge the launcher's settings, once they are all there."""

    def share_cores(self) -> None:
        """Let each of the jobs at once have its part of this machine's cores, of those that it may use."""
        import joblib  # type: ignore[import-untyped]  # it knows of quotas, too; scikit-learn requires it

        self.threads = max(1, joblib.cpu_count() // self.at_once)

    @abstractmethod
    def outcomes(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Outcome]]:
        """Run the jobs and yield each with its outcome as it ends; where the iterator is closed, stop what runs."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each list of overrides; return their results in the same order."""
        setup_globals()
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        jobs = [
            Job(number, list(overrides), self.config, self.context, self.task, self.threads)
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]
        results: dict[int, JobReturn] = {}
        with interruptible(), closing(self.outcomes(jobs)) as outcomes:
            for job, outcome in outcomes:
                results[job.number] = self._result(job, outcome, f"{len(results) + 1} of {len(jobs)}")
        return [results[job.number] for job in jobs]

    def _result(self, job: Job, outcome: Outcome, title: str) -> JobReturn:
        """Tell how a job ended, and return what the sweeper is to know of it."""
        print(
            *(f"{title}  {line}\n" for line in outcome.said.splitlines()), sep="", end="", file=sys.stderr, flush=True
        )
        if outcome.end:
            raise SystemExit(outcome.end)
        return outcome.result or self._lost(job, outcome.lost, title)

    def _lost(self, job: Job, reason: str, title: str) -> JobReturn:
        """Record that a job failed whose process is gone; a grid gets NaN for it, a search the error."""
        config = compose(self.config, job.number, job.overrides)
        folder = shown(Path.cwd() / config.hydra.sweep.dir / config.hydra.sweep.subdir)
        line = f"job {named(job.overrides)} in {folder}: {reason}"
        print(f"{title}  error: {line}", file=sys.stderr, flush=True)
        if fields(folder)["state"] == "running" and not is_held(folder):
            Record(folder).update(state="failed", error={"type": "LostProcess", "message": reason})
        if self.config.fail_fast:
            raise SystemExit(f"error: fail_fast=true: the sweep stops at {line}")
        result = JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED)
        result.return_value = math.nan
        if not is_grid(self.config.hydra):
            result.status, result.return_value = JobStatus.FAILED, RuntimeError(line)
        return result
