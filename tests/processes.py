"""The processes that a test starts: commands of their own, and whether one of them is left."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT

MARK = "STARTED_BY_TEST"
LIMIT_S = 240
GONE_S = 15


def left(mark: str) -> dict[int, str]:
    """Return id and command of each process that has `mark` in its environment, and of each zombie child of this one.

    This process is none of them; what it starts while it has the mark, and what those start, are.
    """
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # it ended just now, or is another user's
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
            is_marked = f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if is_marked or (state == "Z" and int(parent) == os.getpid()):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(folder.name)] = f"{state} {command}"
    return found


def wait_until_gone(mark: str, timeout_s: float = GONE_S) -> dict[int, str]:
    """Return what is left when nothing is or the time is up."""
    deadline_s = time.monotonic() + timeout_s
    while (found := left(mark)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return found


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Mark what the test starts; fail where something of it outlives the test."""
    value = secrets.token_hex(8)
    monkeypatch.setenv(MARK, value)
    yield value
    found = wait_until_gone(value)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not found


@contextmanager
def started(folder: Path, *words: str, name: str = "said", **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m WORDS` in `folder`, which prints to the file `name` there; killed where the block leaves it."""
    own = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    with (folder / name).open("w") as said:
        process = subprocess.Popen([sys.executable, "-m", *words], cwd=folder, env=own, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(folder: Path, *words: str, name: str = "said", **environment: str) -> tuple[int, str]:
    """Return the exit code of `python -m WORDS` in `folder` and what it printed."""
    with started(folder, *words, name=name, **environment) as process:
        code = process.wait(timeout=LIMIT_S)
    return code, (folder / name).read_text()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes], *, timeout_s: float = 120) -> None:
    """Wait until the condition is true; the process may not end before."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, "it ended before it came so far"
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
