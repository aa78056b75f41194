"""A run folder is held by one process, and free again at the very moment that process is gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from src.run.hold import Held, hold, is_held
from tests.conftest import ROOT

HOLD = "import sys, time; from pathlib import Path; from src.run.hold import hold\n"


@contextmanager
def holder(
    folder: Path, meanwhile: str = "print('held', flush=True); time.sleep(600)"
) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that holds `folder` and says so."""
    code = f"{HOLD}with hold(Path(sys.argv[1])):\n    {meanwhile}\n"
    with subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("held")
            yield process
        finally:
            process.kill()


def test_what_another_process_holds_is_refused_in_one_line_that_names_it(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert is_held(tmp_path)
        with (
            pytest.raises(Held, match=rf"^process {process.pid} on \S+ is running {tmp_path}: [^\n]*$"),
            hold(tmp_path),
        ):
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
    fork = "import os; child = os.fork(); print('held', child, flush=True) if child else None; time.sleep(600)"
    code = f"{HOLD}with hold(Path(sys.argv[1])):\n    {fork}\n"
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline().split()[1])
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
        f"{HOLD}import os\n"
        "with hold(Path(sys.argv[1])):\n"
        "    if child := os.fork():\n"
        "        os.waitpid(child, 0); print('held', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"  # the child has left the block
            assert is_held(tmp_path)
            with pytest.raises(Held, match=f"process {process.pid} "), hold(tmp_path):
                raise AssertionError
        finally:
            process.kill()


def test_only_looking_never_keeps_a_holder_out(tmp_path: Path) -> None:
    with hold(tmp_path):
        pass
    stop: list[bool] = []

    def look() -> None:
        while not stop:
            is_held(tmp_path)

    threads = [Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            with hold(tmp_path):
                pass
    finally:
        stop.append(True)
        for thread in threads:
            thread.join()


def test_of_many_processes_at_once_one_alone_gets_the_folder(tmp_path: Path) -> None:
    code = (
        f"{HOLD}from src.run.hold import Held\n"
        "folder = Path(sys.argv[1]); (folder / sys.argv[2]).touch()\n"
        "while len(list(folder.glob('ready*'))) < 6: pass\n"
        "try:\n"
        "    with hold(folder):\n"
        "        print('held', flush=True); time.sleep(2)\n"
        "except Held: print('refused')\n"
    )
    start = [sys.executable, "-c", code, tmp_path]
    running = [subprocess.Popen([*start, f"ready{k}"], cwd=ROOT, stdout=subprocess.PIPE, text=True) for k in range(6)]
    said = sorted(process.communicate()[0].strip() for process in running)
    assert said == ["held"] + ["refused"] * 5


def test_a_folder_without_a_lock_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []  # looking leaves nothing
