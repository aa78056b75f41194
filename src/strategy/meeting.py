"""Where the processes of a run meet before they train together: rank 0 hands out the job, the others report."""

import json
import os
import re
import time
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from lightning.fabric.plugins.environments import SLURMEnvironment

from src.strategy.ranks import Ranks, srun_port

JOIN_S, JOB_S = 300, 3600  # to start Python on another node; to prepare data and weights in rank 0
PAUSE_S = 0.05
ECHO = re.compile(r"gloo|nccl|connection|timed? ?out|broken pipe|socket|store", re.IGNORECASE)


class RankError(ChildProcessError):
    """Another process of the run failed, died or hangs."""


def is_echo(error: BaseException) -> bool:
    """Whether an error may be but the way in which another process's end is felt here."""
    return isinstance(error, RankError) or (isinstance(error, RuntimeError) and bool(ECHO.search(str(error))))


class Meeting:
    """A key-value store that rank 0, or torchrun's agent, serves at MASTER_ADDR:MASTER_PORT."""

    def __init__(self, store: dist.Store):
        self._store = store

    @classmethod
    def called(cls) -> "Meeting":
        """Serve one on this machine at a port that no one else has, and say so in the environment."""
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, multi_tenant=True)
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(store.port))  # the process group shares the server
        return cls(store)

    @classmethod
    def joined(cls, ranks: Ranks | None = None) -> "Meeting":
        """Join the one in the environment; of `ranks` that srun started, rank 0 serves it."""
        if ranks and ranks.starter == "srun":
            address = SLURMEnvironment.resolve_root_node_address(os.environ.get("SLURM_NODELIST", "127.0.0.1"))
            os.environ.update(RANK=str(ranks.rank), WORLD_SIZE=str(ranks.world_size))
            os.environ.setdefault("MASTER_ADDR", address)
            os.environ.setdefault("MASTER_PORT", str(srun_port()))
        store, _, _ = next(dist.rendezvous("env://", timeout=timedelta(seconds=JOIN_S)))
        return cls(store)

    def publish(self, job: dict[str, Any] | None) -> None:
        """Hand out the job; None lets the others go. What is handed out first stays."""
        if not self._has("job"):
            self._set("job", job)

    def job(self) -> dict[str, Any] | None:
        """Wait for the job."""
        self._wait("job", timeout_s=JOB_S)
        return self._get("job")

    def arrive(self, rank: int) -> None:
        """Say that a rank has built everything."""
        self._set(f"there/{rank}", True)

    def is_there(self, rank: int) -> bool:
        """Whether a rank has built everything."""
        return self._has(f"there/{rank}")

    def report(self, rank: int, error: Exception) -> None:
        """Say what ends a rank."""
        self._set(f"error/{rank}", f"{type(error).__name__}: {error}")

    def reported(self, world_size: int) -> str | None:
        """Return the first report there is, with its rank."""
        ranks = [rank for rank in range(1, world_size) if self._has(f"error/{rank}")]
        return f"rank {ranks[0]}: {self._get(f'error/{ranks[0]}')}" if ranks else None

    def end(self) -> None:
        """Say that rank 0 is done, or knows what ended it."""
        self._set("over", True)

    def wait_for_end(self, timeout_s: float) -> None:
        """Wait until rank 0 has said so; raises TimeoutError where it does not."""
        self._wait("over", timeout_s=timeout_s)

    def _set(self, key: str, value: Any) -> None:
        self._store.set(f"src/{key}", json.dumps(value))

    def _get(self, key: str) -> Any:
        return json.loads(self._store.get(f"src/{key}"))

    def _has(self, key: str) -> bool:
        return self._store.check([f"src/{key}"])

    def _wait(self, key: str, *, timeout_s: float) -> None:
        """Look again and again: a signal does not end torch's own wait."""
        deadline_s = time.monotonic() + timeout_s
        while not self._has(key):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"rank 0 has not said {key!r} within {timeout_s:.0f} s")
            time.sleep(PAUSE_S)
