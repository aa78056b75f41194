"""A run folder is held by one process at a time; the claim ends with its holder, however that ends."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

TRIES, PAUSE_S = 5, 0.02  # `is_held` holds a folder for some microseconds: that is no holder
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
    """Whether a live process holds the folder."""
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, or it is no file: whoever holds a folder could make one
        return False
    return False


def _lock(lock: IO[str], folder: Path) -> None:
    for trial in range(TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if trial < TRIES - 1:
                time.sleep(PAUSE_S)
            continue
        lock.truncate(0)  # of what a killed holder left
        return
    lock.seek(0)
    raise HeldError(f"{lock.read() or 'another process'} is running {folder}: wait for it, or stop it")


@cache
def _let_go_in_children() -> None:
    """Close the locks in each child right after a fork.

    A lock lasts until the last copy of its file is closed, and a DataLoader's workers outlive a killed run by seconds.
    """
    os.register_at_fork(after_in_child=lambda: [lock.close() for lock in _locks])
