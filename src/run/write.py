"""Puts a file in its place whole: after an error or a crash the old file or the new one is there, never half of one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import TemporaryFile

ENDING = ".part"  # of the names of files that are not whole yet


@contextmanager
def whole(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Give an empty file beside `path`, to write to; it takes the name `path` where the block ends without an error.

    Where it raises, nothing is left of that file; a kill -9 leaves it, under a name that no reader looks for. No two
    writers share one. `synced` waits for the disk: without it a power cut may leave an empty file.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{ENDING}")
    try:
        part.touch(exist_ok=False)  # never through a link that lies there
        yield part
        if synced:
            sync(part)
        os.replace(part, path)
    except OSError as error:
        if error.filename != str(part):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # the name that the user knows
    finally:
        with suppress(OSError):  # on a disk that is read-only there is none
            part.unlink(missing_ok=True)


def write(path: Path, content: str | bytes | memoryview, *, synced: bool = True) -> None:
    """Write a file whole; text as UTF-8, with the bytes of odd file names as they were."""
    raw = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    with whole(path, synced=synced) as part:
        part.write_bytes(raw)


def check_writable(folder: Path, *, cure: str = "out=DIR writes elsewhere") -> None:
    """Raise ValueError, with the cure, where no file can be put into a folder, or into what it would be made in."""
    there = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), Path())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(f"nothing can be written to {there} ({error.strerror}): {cure}") from error


def forget_killed(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; only for a file that has one writer at a time."""
    for left in path.parent.glob(f"{escape(path.name)}.*{ENDING}"):
        left.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
