"""What takes long to make of a dataset, kept in files: made once on a machine, one copy for all of its processes.

The files lie in the folder `CACHE_DIR`, by default in the user's cache folder ($XDG_CACHE_HOME or ~/.cache), and take
`CACHE_GB` gigabytes at most (10): those unused for the longest are removed first. A process that has mapped a removed
file keeps it whole until it ends.
"""

import errno
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from filelock import lock_descriptor
from torch import Tensor

from src.data.keep.mapped import Part, packed, unpacked
from src.run.write import ENDING, whole

log = logging.getLogger(__name__)

NAME = "lightning-hydra-experiments"  # of the folder in the user's cache folder
GIGABYTES = "10"
OURS = re.compile(
    rf"[0-9a-f]{{64}}\.(tensors|lock|seen|headers|[\w.]+{re.escape(ENDING)})"
)  # nothing else is ever removed


def cached(
    key: str, make: Callable[[], Sequence[Tensor]], *, is_valid: Callable[[], bool] = lambda: True
) -> list[Tensor]:
    """Return what `make` gives, mapped from the file of `key`; where there is none, or a damaged one, it is written.

    Of the processes that ask at once, one makes it. What is not `is_valid` after it was made is not written. Where the
    file cannot be written, for want of room or permission, that is a warning.
    """
    path = place(key, "tensors")
    limit_bytes()  # a wrong one is said before the work
    if (found := _read(path)) is not None:
        return found
    with _turn(path):
        if (found := _read(path)) is not None:
            return found
        made = list(make())
        if is_valid():
            write(path, packed(made))
        return _read(path) or made


def place(key: str, kind: str) -> Path:
    """Return where the file of a `kind` for `key`, any text, lies."""
    folder = os.environ.get("CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or _home(), NAME)
    return Path(folder, f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()}.{kind}")


def write(path: Path, parts: Sequence[Part]) -> None:
    """Write a file of the cache, whole or not at all, and remove what is too much then; warn where it cannot be."""
    try:
        _make_room(path, sum(map(len, parts)))
        with whole(path) as part, part.open("wb") as file:
            file.writelines(parts)
    except OSError as error:
        _warn(str(path.parent), error.strerror or str(error))


def limit_bytes() -> float:
    """The size that the cache may have; raises ValueError where CACHE_GB is no number."""
    given = os.environ.get("CACHE_GB") or GIGABYTES
    try:
        return float(given) * 1e9
    except ValueError:
        raise ValueError(f"CACHE_GB={given}: a number of gigabytes, such as CACHE_GB={GIGABYTES}") from None


def _make_room(path: Path, needed: int) -> None:
    """Remove what was unused for the longest until `needed` bytes fit; raises OSError where they cannot."""
    limit = limit_bytes()
    if needed > limit:
        raise OSError(f"{needed / 1e9:.1f} GB are more than CACHE_GB={limit / 1e9:g}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if needed > shutil.disk_usage(path.parent).free / 2:  # a run needs room too
        raise OSError(errno.ENOSPC, f"{needed / 1e9:.1f} GB are more than half of what is free")
    with os.scandir(path.parent) as entries:
        files = [(entry.stat(), entry.path) for entry in entries if OURS.fullmatch(entry.name)]
    for status, name in sorted(files, key=lambda file: file[0].st_mtime, reverse=True):
        needed += status.st_size
        if needed > limit:
            with suppress(OSError):
                os.unlink(name)


def _read(path: Path) -> list[Tensor] | None:
    """Return the tensors of a file; None where there is none, and where it is damaged, which the log says."""
    try:
        found = unpacked(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _warn(str(path.parent), error.strerror or str(error))
    except ValueError as error:
        log.warning("%s: it is made again", error)
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):  # in a folder that is read-only
        os.utime(path)
    return found


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Let one process after the other into the block, as far as the disk has locks."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("a")
    except OSError:  # said where the file cannot be written either
        yield
        return
    with lock:
        with suppress(OSError):
            _wait_for(lock.fileno())
        yield


def _wait_for(lock: int) -> None:
    if not lock_descriptor(lock, blocking=False):
        log.info("waiting for another process, which prepares the same data")
        lock_descriptor(lock)


@cache  # once for each reason, not for each split and job
def _warn(folder: str, reason: str) -> None:
    log.warning("nothing is kept in the cache %s (%s): set CACHE_DIR=FOLDER, or data.cache=false", folder, reason)


def _home() -> Path:
    """The cache folder of a user, or one for temporary files where the system knows no home."""
    try:
        return Path("~/.cache").expanduser()
    except RuntimeError:
        return Path(tempfile.gettempdir(), f"cache-{os.getuid()}")
