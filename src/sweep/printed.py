"""What a job of a parallel sweep prints goes to a file: lines of several jobs on one screen would mix."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def to_file(path: Path) -> Iterator[None]:
    """Let what this process and its children print in the block, C code's messages too, go to the end of a file."""
    before = [os.dup(number) for number in (1, 2)]
    try:
        with path.open("ab") as file:
            _point([file.fileno()] * 2)
            yield
    finally:
        _point(before)
        for number in before:
            os.close(number)


def _point(files: list[int]) -> None:
    """Make standard output and standard error write to two open files."""
    sys.stdout.flush()
    sys.stderr.flush()
    for number, file in zip((1, 2), files, strict=True):
        os.dup2(file, number)
