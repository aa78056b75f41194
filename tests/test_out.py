"""Where a folder takes no file, scores are printed all the same, nothing is computed for nothing, and out= helps."""

import os
import sys
from pathlib import Path

import pytest

from src.predict import file_name
from src.run.write import check_writable
from tests.conftest import call
from tests.run.test_disk import mounted

COMMANDS = {
    "eval": [],
    "report": [],
    "predict": ["input=test"],
    "export": ["format=torch_export"],
    "explain": ["method=filters"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_takes_no_file_is_one_line_that_names_the_cure(
    command: str, finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file in the folder's place")
    before = set(tmp_path.rglob("*"))
    ended = call(command, tmp_path, f"run={finished}", "out=taken", *COMMANDS[command])
    assert "taken" in ended.error
    assert "out=DIR" in ended.error
    assert set(tmp_path.rglob("*")) == before
    assert ("test/accuracy" in ended.out) is (command in ("eval", "report"))


@pytest.mark.parametrize(("command", "file"), [("eval", "eval.csv"), ("report", "report/table.md")])
def test_out_is_where_the_table_goes(command: str, file: str, finished: Path, tmp_path: Path) -> None:
    before = set(finished.rglob("*"))
    assert call(command, tmp_path, f"run={finished}", "out=new (1)/there").code == 0
    assert "accuracy" in (tmp_path / "new (1)" / "there" / file).read_text()
    assert set(finished.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "arguments", "cure"),
    [
        ("train", "hydra.run.dir=taken/run", "hydra.run.dir=DIR"),
        ("train", "-m hydra.sweep.dir=taken", "hydra.sweep.dir=DIR"),
        ("train", "-m search=random hydra.sweep.dir=taken", "hydra.sweep.dir=DIR"),
        ("explore", "out=taken", "out=DIR"),
        ("explore", "figure=neurons out=taken", "out=DIR"),
        ("reproduce", "folder=taken/runs", "folder=DIR"),
        ("reproduce", "out=taken/RESULTS.md", "out=FILE"),
    ],
)
def test_a_place_for_runs_that_takes_none_is_one_line_before_anything_is_computed(
    command: str, arguments: str, cure: str, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file in the folder's place")
    line = call(command, tmp_path, *arguments.split()).error
    assert "nothing can be written to taken" in line
    assert cure in line
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_run_whose_folder_is_read_only_goes_on_in_a_copy(finished: Path, tmp_path: Path) -> None:
    ended = mounted(
        tmp_path,
        f"""
        mkdir run; mount --bind {finished} run; mount -o remount,bind,ro run
        {sys.executable} -m src.train run=run trainer.max_epochs=3
        """,
    )
    *_, line = ended.stderr.splitlines()
    assert line.startswith("error: nothing can be written to run (Read-only file system): ")
    assert line.endswith("copy it, and give run=COPY")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_takes_no_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="out=DIR"):
        check_writable(tmp_path / "new" / "folder")


def test_what_is_to_be_written_is_made_nowhere_while_it_is_checked(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_same_name_in_two_folders_get_predictions_of_their_own() -> None:
    inputs = ("a/top", "b/top", "top", "cat.jpg", "cat.png", "a/*.png", "/x/top")
    assert len({file_name(source, n=None) for source in inputs}) == len(inputs)
    assert file_name("top", n=None) == "input_top"
    assert file_name("a/top", n=3) == file_name("./a/../a/top", n=3)
