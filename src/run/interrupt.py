"""Signals that end a run with their usual exit code: SIGTERM, Ctrl-C and, under SLURM, the one before its time is up.

SLURM sends SIGUSR1 where the job asked for it (`sbatch --signal=SIGUSR1@90`): the run ends and the job is requeued.
"""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from src.run.folder import OUTPUTS
from src.run.record import command_line, read

log = logging.getLogger(__name__)


class Interrupted(SystemExit):
    """Ends the program with 128 + the signal's number, as a shell reports it."""

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        return signal.Signals(self.number).name


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the signals raise Interrupted in the block, once; what follows the first is ignored while the run ends."""
    if threading.current_thread() is not threading.main_thread():  # where Python takes no handlers
        yield
        return
    before = {number: signal.signal(number, _raise) for number in numbers()}
    try:
        yield
    except Interrupted as interrupted:
        if interrupted.number == signal.SIGUSR1:
            requeue()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Deferred:
    """Notes the first signal between `start` and `stop`, in `number`; a second one does what it did before."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def start(self) -> None:
        """Take over the signals; nothing outside the main thread."""
        self.number = None
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in numbers()}

    def stop(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            self.stop()
            signal.raise_signal(number)
        self.number = number
        log.warning("%s: the run ends with a checkpoint after this step; again: at once", signal.Signals(number).name)


def numbers() -> list[int]:
    """The signals that end a run."""
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if slurm_job() else [])]


def slurm_job() -> str | None:
    """The batch job of SLURM that this process is, as `scontrol` names it, or None."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    is_interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return None if is_interactive else os.environ.get("SLURM_JOB_ID")


def requeue() -> None:
    """Ask SLURM to start this job again; its command finds its run by the job's number."""
    job = slurm_job()
    if job is None or os.environ.get("SLURM_PROCID", "0") != "0":  # one of the job's processes asks
        return
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
    except OSError as error:
        log.warning("scontrol requeue %s: %s: run= goes on with the run", job, error)
        return
    if done.returncode:
        log.warning("scontrol requeue %s failed: %s: run= goes on with the run", job, done.stderr.strip())
    else:
        log.info("SLURM job %s is requeued", job)


def requeued_run(argv: Sequence[str], root: Path = OUTPUTS) -> Path | None:
    """Return the folder of the run that this command began before SLURM requeued its job; None where there is none."""
    if not int(os.environ.get("SLURM_RESTART_COUNT", 0)):
        return None
    roots = [
        root,
        *(Path(argument.partition("=")[2].strip("\"'")) for argument in argv if argument.startswith("hydra.run.dir=")),
    ]
    begun = {path.parent: read(path.parent) for top in roots for path in top.rglob("run.json")}
    mine = (slurm_job(), command_line(argv))
    found = {folder: run for folder, run in begun.items() if (run.get("slurm_job"), run.get("command")) == mine}
    return max(found, key=lambda folder: found[folder]["started"], default=None)


def _raise(number: int, frame: FrameType | None) -> None:
    for ignored in numbers():
        signal.signal(ignored, signal.SIG_IGN)
    raise Interrupted(number)
