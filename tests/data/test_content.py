"""A file that changed in any way is another content; the same bytes elsewhere are the same."""

import os
import shutil
import time
from pathlib import Path

import pytest

from src.data.keep.content import content, state


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three files, and a cache of the test's own."""
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    found = [tmp_path / "files" / name for name in "abc"]
    for path in found:
        path.write_bytes(path.name.encode() * 10)
    return [str(path) for path in found]


def sha256(paths: list[str]) -> str:
    found = content(paths)
    assert found is not None
    return found.sha256


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files be old enough for their times to tell."""
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 60)


def edit_in_place(path: str, *, keeps_times: bool) -> None:
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"X")
    if keeps_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert os.stat(path).st_size == before.st_size


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("keeps_times", [True, False])
def test_a_file_edited_in_place_at_the_same_size_is_another_content(paths, keeps_times, settled, monkeypatch):
    if settled:
        settle(monkeypatch)
        time.sleep(0.02)  # more than a tick of the disk's clock
    before = sha256(paths)
    time.sleep(0.02 if settled else 0)
    edit_in_place(paths[1], keeps_times=keeps_times)
    assert sha256(paths) != before


def test_a_copied_folder_is_the_same_content_whatever_its_times(paths, tmp_path):
    shutil.copytree(tmp_path / "files", tmp_path / "copied", copy_function=shutil.copyfile)
    assert sha256([path.replace("files", "copied") for path in paths]) == sha256(paths)


def test_order_and_where_one_file_ends_matter(paths):
    before = sha256(paths)
    assert sha256(paths[::-1]) != before
    Path(paths[0]).write_bytes(b"a" * 10 + b"b")
    Path(paths[1]).write_bytes(b"b" * 9)
    assert sha256(paths) != before


def test_unchanged_files_are_not_read_again_once_their_times_tell(paths, monkeypatch):
    settle(monkeypatch)
    before = sha256(paths)
    monkeypatch.setattr("builtins.open", None)
    assert sha256(paths) == before


def test_files_changed_just_now_are_read_again(paths, tmp_path):
    sha256(paths)
    assert not list(tmp_path.rglob("*.seen"))


def test_a_damaged_note_is_not_believed(paths, tmp_path, monkeypatch):
    settle(monkeypatch)
    before = sha256(paths)
    (note,) = tmp_path.rglob("*.seen")
    for damaged in (b"", b"\xff\xfe", note.read_bytes()[:63]):
        note.write_bytes(damaged)
        assert sha256(paths) == before


def test_a_file_that_is_missing_has_no_content(paths):
    os.unlink(paths[2])
    assert content(paths) is None


def test_the_state_is_that_before_the_files_were_read(paths):
    found = content(paths)
    assert found is not None
    assert found.state == state(paths)
    edit_in_place(paths[0], keeps_times=True)
    time.sleep(0.02)
    Path(paths[0]).write_bytes(b"c")
    assert found.state != state(paths)
