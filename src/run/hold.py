"""A run folder is held by one process at a time; the claim ends with its holder, however that ends."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from filelock import lock_descriptor

TRIES, PAUSE_S, LOOK_S = 5, 0.02, 0.002  # `is_held` holds a folder for some microseconds: that is no holder
UNKNOWN, NAME_LENGTH = "another process", 200
_locks: set[IO[str]] = set()


class HeldError(ValueError):
    """Another process holds the folder."""


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold an existing folder while the block runs; raises HeldError where a live process does already.

    The claim is the operating system's lock on the file `.lock`: it needs no cleaning up after kill -9. It works across
    the machines of a cluster as far as their shared disk's locks do.
    """
    _let_go_in_children()
    with (folder / ".lock").open("a+") as lock:
        _lock(lock, folder)
        _locks.add(lock)
        try:
            print(f"process {os.getpid()} on {platform.node()}", end="", file=lock, flush=True)
            yield
        finally:
            _locks.discard(lock)
            if not lock.closed:  # as it is in a forked child that ends the block, too
                lock.truncate(0)


def state(folder: Path, recorded: str) -> str:
    """Return the state of a run: `running` only while a process holds its folder, else what it recorded.

    A run that was killed had no time to record it, and is `interrupted`.
    """
    if is_held(folder):
        return "running"
    return "interrupted" if recorded == "running" else recorded


def is_held(folder: Path) -> bool:
    """Whether a live process holds the folder; it may be read-only, and gets no file."""
    try:
        lock = _opened(folder / ".lock")
    except OSError:  # there is none, or it is no file: whoever holds a folder could make one
        return False
    with lock:
        if not _holder(lock):
            return False
        try:
            return not _locks_within(lock, LOOK_S)
        except OSError:  # a network disk locks nothing that is read-only
            return True


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("r+", errors="replace")
    except OSError:
        return path.open(errors="replace")


def _lock(lock: IO[str], folder: Path) -> None:
    if not _locks_within(lock, PAUSE_S):
        raise HeldError(f"{_holder(lock) or UNKNOWN} is running {folder}: wait for it, or stop it")
    lock.truncate(0)  # of what a killed holder left


def _locks_within(lock: IO[str], pause_s: float) -> bool:
    """Whether the file's lock could be had in one of some tries."""
    for trial in range(TRIES):
        if trial:
            time.sleep(pause_s)
        if lock_descriptor(lock.fileno(), blocking=False):
            return True
    return False


def _holder(lock: IO[str]) -> str:
    """The name that a holder writes and takes away; one that was killed leaves it."""
    lock.seek(0)
    try:
        return lock.read(NAME_LENGTH)
    except OSError:  # on Windows the lock keeps readers out too
        return UNKNOWN


@cache
def _let_go_in_children() -> None:
    """Close the locks in each child right after a fork.

    A lock lasts until the last copy of its file is closed, and a DataLoader's workers outlive a killed run by seconds.
    """
    if os.name == "posix":  # elsewhere nothing forks
        os.register_at_fork(after_in_child=lambda: [lock.close() for lock in _locks])
