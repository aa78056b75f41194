"""A sweep's jobs in the worker processes of joblib, on one machine."""

from collections.abc import Generator, Sequence

import joblib  # type: ignore[import-untyped]
from joblib.externals.loky.process_executor import TerminatedWorkerError  # type: ignore[import-untyped]

from src.sweep.job_process import Job, Outcome
from src.sweep.parallel import Parallel


class Joblib(Parallel):
    """Runs `n_jobs` jobs at once, -1: one per core; the cores are shared among them.

    A worker runs one job after the other, which spares importing torch for each; one that is killed takes the sweep
    along.
    """

    def __init__(self, *, n_jobs: int = -1):
        self.n_jobs = n_jobs

    def prepare(self) -> None:
        """Share the cores out."""
        if self.n_jobs == 0:
            raise ValueError("hydra.launcher.n_jobs=0: set a number of jobs, or -1 for one per core")
        self.at_once = joblib.effective_n_jobs(self.n_jobs)
        self.share_cores()

    def outcomes(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Outcome]]:
        """Hand the jobs to the workers."""
        run = joblib.Parallel(self.at_once, backend="loky", return_as="generator_unordered", batch_size=1)
        try:
            for number, outcome in run(joblib.delayed(_outcome)(number, job) for number, job in enumerate(jobs)):
                yield jobs[number], outcome
        except TerminatedWorkerError as error:
            raise ValueError(
                "hydra/launcher=joblib: a worker was killed, perhaps for its memory, and its jobs are lost: the same "
                "command goes on with them; hydra/launcher=local_gpus loses one job at a time"
            ) from error


def _outcome(number: int, job: Job) -> tuple[int, Outcome]:
    try:
        return number, job()
    except SystemExit as end:  # of a signal to this worker alone
        return number, Outcome(lost=f"exit code {end.code}")
