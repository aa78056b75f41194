"""A run folder is held by one process, and free again at the very moment that process is gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from src.run.hold import HeldError, hold, is_held
from tests.conftest import ROOT

HOLD = "import os, sys, time; from pathlib import Path; from src.run.hold import HeldError, hold\n"


def python(code: str, *arguments: Path | str) -> subprocess.Popen[str]:
    start = [sys.executable, "-c", HOLD + code, *map(str, arguments)]
    return subprocess.Popen(start, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that holds `folder`."""
    code = "with hold(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(600)"
    with python(code, folder) as process:
        try:
            assert line(process) == "held"
            yield process
        finally:
            process.kill()


def test_what_another_process_holds_is_refused_in_one_line_that_names_it(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert is_held(tmp_path)
        said = rf"^process {process.pid} on \S+ is running {tmp_path}: [^\n]*$"
        with pytest.raises(HeldError, match=said), hold(tmp_path):
            raise AssertionError


def test_a_holder_killed_with_9_holds_no_more(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not is_held(tmp_path)
        with hold(tmp_path):
            assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_a_forked_child_that_outlives_its_parent_keeps_nothing(tmp_path: Path) -> None:
    code = "with hold(Path(sys.argv[1])):\n    if child := os.fork(): print(child, flush=True)\n    time.sleep(600)\n"
    with python(code, tmp_path) as process:
        child = int(line(process))
        try:
            assert is_held(tmp_path)
            process.kill()
            process.wait()
            os.kill(child, 0)  # raises where it is gone
            assert not is_held(tmp_path)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_that_ends_frees_nothing_of_its_parents(tmp_path: Path) -> None:
    code = (
        "with hold(Path(sys.argv[1])):\n"
        "    if child := os.fork():\n"
        "        os.waitpid(child, 0); print('held', flush=True); time.sleep(600)\n"
    )
    with python(code, tmp_path) as process:
        try:
            assert line(process) == "held"  # the child has left the block
            with pytest.raises(HeldError, match=f"process {process.pid} "), hold(tmp_path):
                raise AssertionError
        finally:
            process.kill()


def test_only_looking_never_keeps_a_holder_out(tmp_path: Path) -> None:
    with hold(tmp_path):
        pass
    look = (
        "from src.run.hold import is_held\n"
        "print('looks', flush=True)\n"
        "while True: is_held(Path(sys.argv[1])); time.sleep(0.0002)\n"
    )
    with python(look, tmp_path) as first, python(look, tmp_path) as second:
        try:
            assert line(first) == line(second) == "looks"
            for _ in range(3000):
                with hold(tmp_path):
                    pass
        finally:
            first.kill()
            second.kill()


def test_of_many_processes_at_once_one_alone_gets_the_folder(tmp_path: Path) -> None:
    code = (
        "folder = Path(sys.argv[1]); (folder / sys.argv[2]).touch()\n"
        "while len(list(folder.glob('ready*'))) < 6: pass\n"
        "try:\n"
        "    with hold(folder):\n"
        "        print('held', flush=True); time.sleep(2)\n"
        "except HeldError: print('refused')\n"
    )
    running = [python(code, tmp_path, f"ready{number}") for number in range(6)]
    said = sorted(process.communicate()[0].strip() for process in running)
    assert said == ["held"] + ["refused"] * 5


def test_whoever_may_only_read_a_folder_sees_whether_it_is_held(tmp_path: Path) -> None:
    code = (
        "from src.run.hold import is_held\n"
        "os.chdir(sys.argv[1]); os.getuid() or os.setuid(65534)\n"
        "print(is_held(Path('.')), os.access('.lock', os.W_OK))"
    )
    with hold(tmp_path):
        pass
    tmp_path.chmod(0o555)
    (tmp_path / ".lock").chmod(0o444)

    def seen() -> str:
        with python(code, tmp_path) as process:
            return line(process)

    assert seen() == "False False"
    (tmp_path / ".lock").chmod(0o644)
    with holder(tmp_path) as process:
        (tmp_path / ".lock").chmod(0o444)
        assert seen() == "True False"
        process.kill()
        process.wait()
        assert seen() == "False False"
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_only_looking_is_never_taken_for_holding(tmp_path: Path) -> None:
    with hold(tmp_path):
        pass
    look = (
        "from src.run.hold import is_held\n"
        "print('looks', flush=True)\n"
        "print(sum(is_held(Path(sys.argv[1])) for _ in range(3000)))\n"
    )
    with python(look, tmp_path) as first, python(look, tmp_path) as second:
        assert line(first) == line(second) == "looks"
        assert line(first) == line(second) == "0"


def test_a_folder_without_a_lock_is_not_held_and_looking_leaves_none(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []
