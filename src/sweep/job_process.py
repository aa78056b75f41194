"""One job of a sweep in a process of its own, with what Hydra knows of the sweep: `-m src.sweep.job_process FILE`.

Torch-free until the job runs, so that the number of threads can still be set.
"""

import os
import pickle
import signal
import sys
import tempfile
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from src.config.compose import compose
from src.config.error import one_line
from src.run.child import end_with_parent
from src.run.write import write
from src.sweep.plugin import hide_plugins
from src.sweep.printed import to_file


@dataclass(frozen=True)
class Outcome:
    """What came of a job: its `result`; or why its process is `lost`; or with what words it is to `end` the sweep.

    `said` is what it printed, without what its run did.
    """

    result: JobReturn | None = None
    lost: str = ""
    end: str = ""
    said: str = ""


@dataclass(frozen=True)
class Job:
    """A job's number in the sweep and its overrides, and what another process needs to run it, in `threads` threads.

    `threads` are what the environment variable OMP_NUM_THREADS says where it is set, and torch's choice where None.
    """

    number: int
    overrides: list[str]
    config: DictConfig
    context: HydraContext
    task: TaskFunction
    threads: int | None = None
    state: Any = field(default_factory=Singleton.get_state, repr=False)

    def __call__(self) -> Outcome:
        """Run the job. What it prints is kept, for lines of several jobs on one screen would mix."""
        if self.threads:
            os.environ.setdefault("OMP_NUM_THREADS", str(self.threads))
        import lightning  # noqa: F401  # it changes the logging when it is imported: before the job sets that up

        hide_plugins()
        Singleton.set_state(self.state)
        setup_globals()
        result, end = None, ""
        with tempfile.NamedTemporaryFile() as file:
            try:
                with to_file(Path(file.name)):
                    result = _portable(self._run())
            except SystemExit as error:  # the sweep's: a signal, or what started this process, ends it with a number
                if not isinstance(error.code, str):
                    raise
                end = error.code
            return Outcome(result, end=end, said=Path(file.name).read_text(errors="replace"))

    def checkpoint(self) -> Any:
        """Return what submitit is to submit where it requeues the job: the same, which goes on with its run."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _run(self) -> JobReturn:
        return run_job(
            hydra_context=self.context,
            task_function=self.task,
            config=compose(self.config, self.number, self.overrides),
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


def module_path() -> str:
    """Return a PYTHONPATH by which a process imports what this one was started from."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])


def _portable(result: JobReturn) -> JobReturn:
    """Return the result with its error, if any, as one that another process can read."""
    try:
        with redirect_stderr(StringIO()):  # where Hydra says what the sweep will say
            _ = result.return_value
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # whatever its class raises
            result.return_value = ValueError(one_line(error))
    return result


def main(path: Path) -> None:
    """Run the job that is pickled in a file, and put its outcome into the file's place.

    When standard input ends, which the process that started this one holds open as long as it lives, so does the job.
    """
    import cloudpickle  # type: ignore[import-untyped]  # it was there to pickle the job

    end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    outcome = pickle.loads(path.read_bytes())()
    write(path, cloudpickle.dumps(outcome))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
