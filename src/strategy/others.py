"""The processes of a run that rank 0 starts on its own machine: started, looked after, ended."""

import os
import sys
import threading
import time
from collections.abc import Callable

from src.run.child import Child

PAUSE_S = 0.1
END_S = 30  # for them to end by themselves once rank 0 is done
LINES = 20  # of what one that died had printed


class Others:
    """Processes `python -m src.fit.rank` of the ranks 1 to `number`; what they print is shown where one dies."""

    def __init__(self, number: int):
        self._first: int | None = None  # the first that failed
        self._is_over = threading.Event()
        self._processes = {rank: self._started(rank) for rank in range(1, number + 1)}

    def _started(self, rank: int) -> Child:
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        own = {"PYTHONPATH": path, "LOCAL_RANK": str(rank), "RANK": str(rank)}
        if "SLURM_PROCID" in os.environ:
            own["SLURM_PROCID"] = str(rank)
        return Child("src.fit.rank", environment=own, output=True)

    def watch(self, alarm: Callable[[], None], *, patience_s: float) -> None:
        """Kill all of them as soon as one fails, and call `alarm` where the run is not over `patience_s` later."""

        def look() -> None:
            while not self._is_over.wait(PAUSE_S):
                if self.failed() is not None:
                    self._kill()
                    if not self._is_over.wait(patience_s):
                        alarm()
                    return

        threading.Thread(target=look, name="watch", daemon=True).start()

    def failed(self) -> int | None:
        """Return the rank of the first that failed, or None."""
        if self._first is None:
            codes = {rank: process.code for rank, process in self._processes.items()}
            self._first = next((rank for rank, code in codes.items() if code), None)
        return self._first

    def alive(self) -> list[int]:
        """The process ids of those that have not ended."""
        return [process.pid for process in self._processes.values() if not process.has_ended]

    def epitaph(self, rank: int) -> str:
        """Say how a rank ended."""
        process = self._processes[rank]
        return f"rank {rank} (process {process.pid}) {process.fate()}"

    def last_words(self, rank: int) -> str:
        """Return the last lines that a rank printed."""
        return "\n".join(self._processes[rank].printed().splitlines()[-LINES:])

    def end(self, *, at_once: bool) -> None:
        """Wait until all have ended, for a while where they may end by themselves; kill those that have not."""
        deadline_s = time.monotonic() + (0 if at_once else END_S)
        while self.alive() and self._first is None and time.monotonic() < deadline_s:
            time.sleep(PAUSE_S / 10)
        self._is_over.set()
        self._kill()
        for process in self._processes.values():
            process.end(None)

    def _kill(self) -> None:
        for process in self._processes.values():
            process.kill()
