"""A file is in its place whole, the old one or the new one, whatever ends its writer."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.run.write import forget_killed, whole, write
from tests.conftest import ROOT


def test_a_new_file_takes_its_name_at_the_end_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_nothing_else(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write_half() -> None:
        with whole(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_killed_with_9_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    code = (
        "import os, signal, sys; from pathlib import Path; from src.run.write import whole\n"
        "with whole(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path], cwd=ROOT).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert list(tmp_path.glob("*.csv")) == [path]  # no reader takes what is left for a table
    forget_killed(path)
    assert list(tmp_path.iterdir()) == [path]


def test_of_writers_at_once_none_spoils_anothers_file(tmp_path: Path) -> None:
    path, wrong = tmp_path / "run.json", []

    def work(letter: str) -> None:
        for _ in range(50):
            write(path, letter * 10_000, synced=False)
            if len(set(path.read_text())) != 1 or path.stat().st_size != 10_000:
                wrong.append(letter)

    writers = [threading.Thread(target=work, args=letter) for letter in "abcd"]
    [writer.start() for writer in writers]
    [writer.join() for writer in writers]
    assert not wrong
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "run.json", "{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o640


def test_where_nothing_can_be_written_the_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "run.json"
    with pytest.raises(FileNotFoundError, match=r"missing/run\.json'$"):
        write(path, "{}")


def test_text_of_any_file_name_is_written_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "a", os.fsdecode(b"caf\xe9 \xc3\xa9"))
    assert (tmp_path / "a").read_bytes() == b"caf\xe9 \xc3\xa9"
