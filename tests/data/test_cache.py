"""The cache gives what was made, bit for bit; whatever happens to its files costs time alone."""

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from src.data.keep import cache
from src.data.keep.cache import cached, place, write
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Making:
    """Makes a tensor of `size` bytes, and counts how often."""

    def __init__(self, size: int = 1000):
        self.size = size
        self.times = 0

    def __call__(self) -> list[Tensor]:
        """Make it."""
        self.times += 1
        return [torch.arange(self.size).to(torch.uint8)]


def files(folder: Path, kind: str = "tensors") -> list[str]:
    return sorted(path.name for path in folder.glob(f"*.{kind}"))


def test_what_was_made_once_is_read_from_then_on(folder):
    make = Making()
    first, second = cached("a", make), cached("a", make)
    assert make.times == 1
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[0], Making()()[0])


def test_another_key_is_another_file(folder):
    make = Making()
    cached("a", make)
    cached("b", make)
    assert make.times == 2
    assert len(files(folder)) == 2


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:500], lambda data: data[:7] + b"\x99" + data[8:], lambda data: b""]
)
def test_a_damaged_file_is_made_again_and_said_in_one_line(folder, spoil, caplog):
    make = Making()
    cached("a", make)
    path = place("a", "tensors")
    path.write_bytes(spoil(path.read_bytes()))
    found = cached("a", make)
    assert torch.equal(found[0], make()[0])
    assert caplog.text.count("is damaged: it is made again") == 1
    assert len(caplog.records) == 1
    caplog.clear()
    cached("a", make)
    assert make.times == 3  # the third was the comparison's
    assert not caplog.records


def test_what_turned_invalid_while_it_was_made_is_given_but_not_kept(folder):
    found = cached("a", Making(), is_valid=lambda: False)
    assert len(found[0]) == 1000
    assert not files(folder)


def test_an_error_of_the_making_is_the_callers_and_leaves_nothing(folder):
    def fail() -> list[Tensor]:
        raise OSError(errno.EIO, "the source is broken")

    with pytest.raises(OSError, match="the source is broken"):
        cached("a", fail)
    assert not files(folder)
    assert len(cached("a", Making())[0]) == 1000


def test_the_longest_unused_goes_first_and_what_others_have_in_the_folder_stays(folder, monkeypatch):
    monkeypatch.setenv("CACHE_GB", "3e-6")  # 3000 bytes: two of them
    folder.mkdir()
    (folder / "thesis.tensors").write_bytes(bytes(5000))
    for age_s, key in enumerate(("a", "b")):
        cached(key, Making())
        os.utime(place(key, "tensors"), (age_s, age_s))
    held = cached("a", Making())[0]  # used now, so b is the oldest
    cached("c", Making())
    assert not place("b", "tensors").exists()
    assert place("a", "tensors").exists()
    assert place("c", "tensors").exists()
    cached("d", Making())
    assert not place("a", "tensors").exists()
    assert torch.equal(held, Making()()[0])  # still mapped here
    assert (folder / "thesis.tensors").exists()


def test_what_is_larger_than_the_cache_is_used_without_it_and_drives_nothing_out(folder, monkeypatch, caplog):
    cached("small", Making())
    monkeypatch.setenv("CACHE_GB", "2e-6")
    assert len(cached("large", Making(5000))[0]) == 5000
    assert files(folder) == [place("small", "tensors").name]
    assert "are more than CACHE_GB=2e-06): set CACHE_DIR=FOLDER, or data.cache=false" in caplog.text


def test_a_size_that_is_no_number_is_said_before_the_work(folder, monkeypatch):
    monkeypatch.setenv("CACHE_GB", "10GB")
    make = Making()
    with pytest.raises(ValueError, match="CACHE_GB=10GB: a number of gigabytes"):
        cached("a", make)
    assert not make.times


def test_a_folder_that_cannot_be_is_a_warning_once_and_the_data_is_there(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "file" / "cache"))
    for key in ("a", "b"):
        assert len(cached(key, Making())[0]) == 1000
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "nothing is kept in the cache" in record.message


def test_a_disk_without_room_is_a_warning_and_leaves_no_half_file(folder, monkeypatch, caplog):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert len(cached("a", Making())[0]) == 1000
    assert "(No space left on device)" in caplog.text
    assert files(folder, "part") == files(folder) == []


def test_a_writer_that_was_killed_leaves_a_part_that_is_no_file_and_goes_with_the_oldest(folder, monkeypatch):
    part = Path(f"{place('a', 'tensors').with_suffix('')}.x1_y.part")
    folder.mkdir()
    part.write_bytes(bytes(900))
    os.utime(part, (0, 0))
    make = Making()
    cached("a", make)
    assert make.times == 1
    assert part.exists()
    monkeypatch.setenv("CACHE_GB", "2.5e-6")
    cached("b", make)
    assert not part.exists()


def test_the_users_cache_folder_is_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.delenv("CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert place("a", "tensors").parent == tmp_path / "xdg" / cache.NAME
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place("a", "tensors").parent == tmp_path / ".cache" / cache.NAME


def test_a_write_replaces_a_file_whole(folder):
    path = place("a", "seen")
    write(path, [b"old"])
    with path.open("rb") as before:
        write(path, [b"new ", b"one"])
        assert before.read() == b"old"
    assert path.read_bytes() == b"new one"


BUILDER = """
import sys, time, torch
from pathlib import Path
from src.data.keep.cache import cached

def make():
    with Path(sys.argv[1]).open("a") as made:
        made.write("made\\n")
    time.sleep(0.5)
    return [torch.full((100_000,), 7, dtype=torch.uint8)]

assert cached("a", make)[0].sum() == 700_000
"""


@pytest.mark.slow
def test_of_processes_that_ask_at_once_one_makes_it(folder, tmp_path):
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "made")]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "made").read_text() == "made\n"
    assert len(files(folder)) == 1
    assert not files(folder, "part")
