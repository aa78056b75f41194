"""A run taken up again: it goes on, or its folder stays as it was."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.run.record import Record, read, recording
from src.run.repository import FRAMEWORK_PATCH, PATCH
from src.run.rerun import ARGUMENTS, differences
from src.run.write import write

# What a start writes; checkpoints and figures come after steps.
WRITTEN = ("run.json", "metrics.csv", ARGUMENTS, PATCH, FRAMEWORK_PATCH, ".hydra/config.yaml")


class CannotGoOnError(ValueError):
    """A run that was taken up again ended before its first step; its folder is as it was."""


@contextmanager
def taken_up(folder: Path, facts: Mapping[str, Any]) -> Iterator[Record]:
    """Do what `recording` does, in a folder that holds a run; put back what was there where no step is taken.

    Raises CannotGoOnError for the error that it was, with what of the code has changed since the run was recorded.
    """
    found = {path: path.read_bytes() if path.exists() else None for path in (folder / name for name in WRITTEN)}
    before, record = read(folder), Record(folder)
    try:
        with recording(folder, facts) as record:
            yield record
    except BaseException as raised:
        if record.has_stepped:
            raise
        for path, content in found.items():
            _put_back(path, content)
        if not isinstance(raised, Exception):
            raise
        reason = str(raised) if isinstance(raised, (ValueError, OSError)) else f"{type(raised).__name__}: {raised}"
        raise CannotGoOnError(
            f"run={folder} does not go on, and is as it was: {reason}{changed(before, record)}"
        ) from raised


def changed(before: Mapping[str, Any], record: Record) -> str:
    """Say what of the code is not as it was, in brackets; nothing where all is."""
    found = [
        *differences({"git": before.get("git")}, {"git": record.fields.get("git")}),
        *differences({"versions": before.get("versions")}, {"versions": record.fields.get("versions")}),
    ]
    return f" (changed since it was recorded: {'; '.join(found)})" if found else ""


def _put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != content:
        write(path, content)
