"""What is in files, as a hash: a changed file is another one, a copied folder is the same."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from src.data.keep.cache import place, write

SHA256 = re.compile("[0-9a-f]{64}")
RECENT_S = 2.0  # a file changed twice within a tick of the disk's clock has the same times


class Content(NamedTuple):
    """The sha256 of what is in some files, with their suffixes, and their `state` just before they were read."""

    sha256: str
    state: str


def content(paths: Sequence[str]) -> Content | None:
    """Return what is in the files; None where one of them cannot be read.

    The cache keeps it for their state, so that unchanged files are not read again.
    """
    try:
        before = state(paths)
        return Content(remembered(paths, lambda: _digest(paths), kind="seen", pattern=SHA256), before)
    except OSError:
        return None


def remembered(paths: Sequence[str], make: Callable[[], str], *, kind: str, pattern: re.Pattern[str]) -> str:
    """Return the text that `make` gives of files, from the cache where they are as they were; `pattern` is its form.

    Raises OSError where a file is missing.
    """
    before, changed_s = _state(paths)
    seen = place(before, kind)
    if known := _known(seen, pattern):
        return known
    made = make()
    if changed_s < time.time() - RECENT_S:
        write(seen, [made.encode()])
    return made


def state(paths: Sequence[str]) -> str:
    """Return what tells unchanged files from changed ones without reading them; raises OSError where one is missing."""
    return _state(paths)[0]


def _state(paths: Sequence[str]) -> tuple[str, float]:
    """Return the state, and when the last file changed.

    The time of its change tells of an edit that has put size and time of modification back.
    """
    lines, changed_ns = [os.getcwd()], 0  # relative paths are other files elsewhere
    for path in paths:
        status = os.stat(path)
        times = status.st_mtime_ns, status.st_ctime_ns
        lines.append(f"{path} {status.st_ino} {status.st_size} {times}")
        changed_ns = max(changed_ns, *times)
    return "\n".join(lines), changed_ns / 1e9


def _digest(paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            digest.update(hashlib.sha256(file.read()).digest())
        digest.update(os.fsencode(os.path.splitext(path)[1].lower()))  # which may choose the decoder
    return digest.hexdigest()


def _known(seen: Path, pattern: re.Pattern[str]) -> str | None:
    with suppress(FileNotFoundError):
        text = seen.read_text(errors="replace")
        if pattern.fullmatch(text):
            with suppress(OSError):  # in a folder that is read-only
                os.utime(seen)
            return text
    return None
