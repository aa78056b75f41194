"""The processes of a run that rank 0 starts on its own machine: started, looked after, ended."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

PAUSE_S = 0.1
END_S = 30  # for a worker to end by itself once rank 0 is done
LINES = 20  # of what a worker that died had printed


class Workers:
    """Processes `python -m src.fit.rank` of the ranks 1 to `number`, each in a session of its own.

    Each ends when its standard input does, which is when this process does, however that ends: nothing else holds the
    other end. What they print goes to files without a name, to be shown where one dies.
    """

    def __init__(self, number: int):
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._printed: dict[int, IO[bytes]] = {}
        self._first: int | None = None  # the first that failed
        self._is_over = threading.Event()
        for rank in range(1, number + 1):
            self._start(rank)

    def _start(self, rank: int) -> None:
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        own = {"PYTHONPATH": path, "LOCAL_RANK": str(rank), "RANK": str(rank)}
        if "SLURM_PROCID" in os.environ:
            own["SLURM_PROCID"] = str(rank)
        self._printed[rank] = printed = tempfile.TemporaryFile()  # noqa: SIM115  # `end` closes it
        self._processes[rank] = subprocess.Popen(
            [sys.executable, "-P", "-m", "src.fit.rank"],
            env=os.environ | own,
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is rank 0's affair; a whole session can be killed
        )

    def watch(self, alarm: Callable[[], None], *, patience_s: float) -> None:
        """Kill all workers as soon as one fails, and call `alarm` where the run is not over `patience_s` later."""

        def look() -> None:
            while not self._is_over.wait(PAUSE_S):
                if self.failed() is not None:
                    self._kill()
                    if not self._is_over.wait(patience_s):
                        alarm()
                    return

        threading.Thread(target=look, name="watch", daemon=True).start()

    def failed(self) -> int | None:
        """Return the rank of the first worker that failed, or None."""
        if self._first is None:
            codes = {rank: process.poll() for rank, process in self._processes.items()}
            self._first = next((rank for rank, code in codes.items() if code), None)
        return self._first

    def alive(self) -> list[int]:
        """The process ids of those that have not ended."""
        return [process.pid for process in self._processes.values() if process.poll() is None]

    def epitaph(self, rank: int) -> str:
        """Say how a worker ended."""
        process = self._processes[rank]
        code = process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"rank {rank} (process {process.pid}) {how}"

    def last_words(self, rank: int) -> str:
        """Return the last lines that a worker printed."""
        file = self._printed[rank]
        file.seek(0)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-LINES:])

    def end(self, *, at_once: bool) -> None:
        """Wait until all have ended, for a while where they may end by themselves; kill those that have not."""
        deadline_s = time.monotonic() + (0 if at_once else END_S)
        while self.alive() and self._first is None and time.monotonic() < deadline_s:
            time.sleep(PAUSE_S / 10)
        self._is_over.set()
        self._kill()
        for rank, process in self._processes.items():
            process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()  # type: ignore[union-attr]  # a pipe
            self._printed[rank].close()

    def _kill(self) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError, PermissionError):  # macOS: a zombie's group
                os.killpg(process.pid, signal.SIGKILL)
