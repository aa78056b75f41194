"""A child process is told apart from its command, and gone with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.run.child import Child
from tests.conftest import ROOT

FORKS = "import os, time\nif not (child := os.fork()): time.sleep(600)\nprint(child, flush=True)\ntime.sleep(600)\n"
FOLLOWS = (
    "import os, time\nfrom src.run.child import end_with_parent\n"
    "end_with_parent(lambda: os._exit(3))\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
)


def started(folder: Path, code: str, **kept: bool) -> Child:
    (folder / "whatever.py").write_text(code)
    return Child("whatever", environment={"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}, **kept)


def until(condition) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("code", "fate"),
    [("raise SystemExit(3)", "ended with code 3"), ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL")],
)
def test_how_a_child_ended_is_said(code: str, fate: str, tmp_path: Path) -> None:
    child = started(tmp_path, code)
    child.end(None)
    assert child.has_ended
    assert child.fate() == fate


@pytest.mark.parametrize(("kept", "printed"), [({"output": True}, "out\nerr\n"), ({"errors": True}, "err\n")])
def test_what_a_child_prints_is_kept_for_the_one_that_asks(
    kept: dict[str, bool], printed: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import sys\nprint('out', flush=True)\nprint('err', file=sys.stderr)"
    child = started(tmp_path, code, **kept)
    until(lambda: child.has_ended)
    assert child.printed() == printed
    child.end(None)
    assert capfd.readouterr() == ("", "")


def test_a_child_that_does_not_end_is_killed_with_its_own_children(tmp_path: Path) -> None:
    child = started(tmp_path, FORKS, output=True)
    until(lambda: len(child.printed().split()) == 1)
    grandchild = int(child.printed())
    child.end(0)
    assert child.fate() == "was killed by SIGKILL"
    until(lambda: not is_alive(grandchild))


def test_a_signal_reaches_the_child_alone(tmp_path: Path) -> None:
    child = started(tmp_path, FORKS, output=True)
    until(lambda: len(child.printed().split()) == 1)
    grandchild = int(child.printed())
    child.signal(signal.SIGTERM)
    until(lambda: child.has_ended)
    assert is_alive(grandchild)
    child.end(None)
    until(lambda: not is_alive(grandchild))


def test_a_child_is_gone_with_a_command_that_is_killed_with_9(tmp_path: Path) -> None:
    (tmp_path / "follows.py").write_text(FOLLOWS)
    code = (
        "import os, sys, time; from src.run.child import Child\n"
        "Child('follows', environment={'PYTHONPATH': os.pathsep.join(sys.argv[1:])}); time.sleep(600)\n"
    )
    start = [sys.executable, "-c", code, str(tmp_path), str(ROOT)]
    with subprocess.Popen(start, cwd=ROOT, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        child = int(command.stdout.readline())
        assert is_alive(child)
        command.kill()
    until(lambda: not is_alive(child))
