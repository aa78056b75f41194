"""Runs a job in all processes of a run, under Hydra, torchrun or srun, and ends them with it.

Lightning's own launcher starts the command again for each rank, which under Hydra is a second run or a second sweep,
and kills this process when another dies.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments import ClusterEnvironment, LightningEnvironment

from src.strategy.meeting import JOIN_S, PAUSE_S, Meeting, RankError, is_echo
from src.strategy.others import Others
from src.strategy.ranks import Ranks, outside

log = logging.getLogger(__name__)

ECHO_S = 5  # from an error's echo to its cause, and from another rank's death to its echo
ALARM = signal.SIGUSR2


def together(trainer: lightning.Trainer, job: dict[str, Any]) -> AbstractContextManager[None]:
    """Let all processes of a run do `job`, this one in the block; where a run is one process there is none other."""
    launcher, ranks = trainer.strategy.launcher, outside()
    if isinstance(launcher, Launcher):
        return launcher.running(job)
    if ranks:
        raise ValueError(f"{ranks.starter} started {ranks.world_size} processes of a run for one: set trainer=ddp")
    return nullcontext()


class Launcher:
    """Hands a job to the other ranks, which it starts where nothing else did; without one it is Lightning's, `theirs`.

    `timeout_s` is how long the process group waits for a rank; here it is only named in a message.
    """

    is_interactive_compatible = False

    def __init__(self, theirs: Any, *, num_processes: int, num_nodes: int, timeout_s: float):
        self.theirs = theirs
        self.num_processes = num_processes
        self.num_nodes = num_nodes
        self.timeout_s = timeout_s
        self._is_launched = False

    def launch(self, function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        """Call `function` while another rank's death may interrupt it."""
        self._is_launched = True
        try:
            return self.theirs.launch(function, *arguments, **settings)
        finally:
            self._is_launched = False

    def kill(self, number: int) -> None:
        """Send a signal to the processes that Lightning started."""
        self.theirs.kill(number)

    @contextmanager
    def running(self, job: dict[str, Any]) -> Iterator[None]:
        """Let the other ranks do `job` beside the block; raise RankError where one of them is what ends it.

        Afterwards they are gone, and so is the process group; the environment is left as it was set for them.
        """
        threads = torch.get_num_threads()
        _share_cores(self.num_processes)
        if ranks := outside():
            self._check(ranks)
        meeting = Meeting.joined(ranks) if ranks else Meeting.called()
        others = Others(0 if ranks else self._announced())
        is_done = False
        try:
            with _alarm(self._interrupt) as alarm:
                others.watch(alarm, patience_s=ECHO_S)
                meeting.publish(job | {"threads": torch.get_num_threads()})
                try:
                    self._wait_for_all(meeting, others)
                    yield
                except Exception as error:
                    raise self._cause(error, meeting, others) from error
            is_done = True
        finally:
            meeting.end()
            others.end(at_once=not is_done)
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            torch.set_num_threads(threads)

    def _check(self, ranks: Ranks) -> None:
        found = {"devices": (self.num_processes, ranks.local_world_size), "num_nodes": (self.num_nodes, ranks.nodes)}
        cures = [f"trainer.{key}={started}" for key, (set_to, started) in found.items() if set_to != started]
        if cures:
            started = f"{ranks.starter} started {ranks.local_world_size} processes on each of {ranks.nodes} nodes"
            raise ValueError(f"{started}: set {' '.join(cures)}")

    @property
    def _world_size(self) -> int:
        return self.num_processes * self.num_nodes

    def _announced(self) -> int:
        """Say in the environment what the ranks are, and return how many are to be started."""
        if self.num_nodes > 1:
            raise ValueError(
                f"trainer.num_nodes={self.num_nodes}: start the command with torchrun or srun on each node"
            )
        os.environ.update(NODE_RANK="0", LOCAL_RANK="0", WORLD_SIZE=str(self.num_processes))
        return self.num_processes - 1

    def _wait_for_all(self, meeting: Meeting, others: Others) -> None:
        deadline_s = time.monotonic() + JOIN_S
        for rank in range(1, self._world_size):
            while not meeting.is_there(rank):
                if others.failed() or meeting.reported(self._world_size):
                    raise RankError(f"rank {rank} did not start")
                if time.monotonic() > deadline_s:
                    raise RankError(f"rank {rank} did not start within {JOIN_S} s")
                time.sleep(PAUSE_S)

    def _interrupt(self) -> None:
        if self._is_launched:
            self._is_launched = False
            raise RankError("another rank has ended")

    def _cause(self, error: Exception, meeting: Meeting, others: Others) -> Exception:
        """Return what is to be shown for `error`: where it is an echo, what is known of the rank that it comes from."""
        if not is_echo(error):
            return error
        deadline_s = time.monotonic() + ECHO_S
        while time.monotonic() < deadline_s:
            if known := self._known(meeting, others):
                return RankError(known)
            time.sleep(PAUSE_S)
        if "timed out" not in str(error).lower():
            return error
        left = f" (of processes {', '.join(map(str, others.alive()))})" if others.alive() else ""
        return RankError(f"a rank hangs{left}: no answer within trainer.strategy.timeout_s={self.timeout_s:g} s")

    def _known(self, meeting: Meeting, others: Others) -> str | None:
        """Return what a rank reported, else how another rank ended, else None; log what that rank printed last."""
        dead = others.failed()  # before the reports: one that reports does so before it ends
        report = meeting.reported(self._world_size)
        if dead is not None and (words := others.last_words(dead)):
            (log if report is None else logging.getLogger("src.traceback")).error(
                "rank %d ended with:\n%s", dead, words
            )
        return report if report or dead is None else others.epitaph(dead)


def own_environment() -> ClusterEnvironment | None:
    """Return where ranks are told who they are: here, as a single task of srun starts its own, or None for outside."""
    return None if outside() else LightningEnvironment()


def _share_cores(processes: int) -> None:
    """Compute in as many threads as there are cores for each process, as Lightning will; OMP_NUM_THREADS says else."""
    if "OMP_NUM_THREADS" not in os.environ:
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // processes))
        os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())


@contextmanager
def _alarm(act: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Yield a function that makes the main thread call `act` soon, from any other thread."""
    if threading.current_thread() is not threading.main_thread():  # where Python takes no handlers
        yield lambda: None
        return

    def handle(number: int, frame: FrameType | None) -> None:
        act()

    before, main = signal.signal(ALARM, handle), threading.get_ident()
    try:
        yield lambda: signal.pthread_kill(main, ALARM)
    finally:
        signal.signal(ALARM, before)
