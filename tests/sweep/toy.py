"""A job for launchers that takes no time: torch-free, so that a process of its own starts soon."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from src.sweep.job_process import Outcome


@dataclass(frozen=True)
class Toy:
    """What the queue takes for a job: it does something small, and says where it ran."""

    number: int
    folder: Path
    does: str = "end"

    def __call__(self) -> Outcome:
        """Write down start and end, or end otherwise."""
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        (self.folder / f"{self.number}").write_text(f"{os.getpid()}")
        if self.does.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, self.does))
        if self.does == "exit":
            os._exit(3)
        start_s = time.monotonic()
        time.sleep(600 if self.does == "wait" else 0.3)
        return Outcome(said=f"{gpu} {start_s} {time.monotonic()}")
