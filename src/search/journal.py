"""The file in which Optuna keeps a search, in the sweep's folder: whatever is killed, what was written stays."""

import os
from pathlib import Path
from typing import IO

from filelock import lock_descriptor
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

NAME = "search.journal"
POLL_S = 0.002


class Lock:
    """Lets one process at a time write to a journal.

    It is the operating system's lock, which ends with its holder: Optuna's own outlives a kill -9 by half a minute.
    What a killed process left of a line is cut off first: with another line after it the journal could not be read.
    """

    def __init__(self, journal: Path):
        self.journal = journal
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = self.journal.with_name(f".{NAME}.lock").open("a")
        lock_descriptor(self._file.fileno(), poll_interval=POLL_S)
        mend(self.journal)
        return True

    def release(self) -> None:
        """Let it go."""
        assert self._file is not None
        self._file.close()


def mend(journal: Path) -> None:
    """Cut off what follows the last whole line."""
    with journal.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read(1) not in (b"", b"\n"):
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def storage(folder: Path) -> JournalStorage:
    """Return the storage of the search in a sweep's folder; an empty one where there is none yet."""
    path = folder / NAME
    return JournalStorage(JournalFileBackend(str(path), lock_obj=Lock(path)))  # type: ignore[arg-type]  # its parent class is private
