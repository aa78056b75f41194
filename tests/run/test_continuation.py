"""A run taken up again goes on or stays, byte for byte, as it was."""

from pathlib import Path

import pytest

from src.run.continuation import CannotGoOnError, taken_up
from src.run.record import Record, read
from tests.conftest import Command, Ended
from tests.test_rerun import change

FACTS = {"overrides": [], "config_hash": "0", "seed": 0, "model": "m", "data": "d", "tags": []}
LONGER = "trainer.max_epochs=4"


def contents(run: Path) -> dict[Path, bytes]:
    shown = ("tensorboard", "train.log")
    paths = (path for path in run.rglob("*") if path.is_file() and not path.relative_to(run).parts[0].startswith(shown))
    return {path: path.read_bytes() for path in paths}


def last_line(ended: Ended) -> str:
    assert ended.code == 1
    assert "Traceback" not in ended.err
    return ended.err.splitlines()[-1]


def without_sound_checkpoints(run: Path) -> None:
    for name in ("last.ckpt", "previous.ckpt"):
        path = run / "checkpoints" / name
        path.write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([LONGER, "data.std=[1e-39]"], "not finite at step 83"),
        ([LONGER, "model.net._target_=src.net.fashion_dnn.FashionDNN"], "state_dict"),
        ([LONGER, "data.classes=['3','8']"], "the data have changed since"),
        ([LONGER, "trainer.max_time=nonsense"], "nonsense"),
    ],
    ids=str,
)
def test_a_continuation_that_cannot_start_changes_nothing(
    overrides: list[str], says: str, finished: Path, train: Command
) -> None:
    before = contents(finished)
    error = last_line(train(f"run={finished}", *overrides))
    assert says in error
    assert contents(finished) == before
    assert read(finished)["metrics"]["test/accuracy"] > 0


def test_no_sound_checkpoint_changes_nothing_either(finished: Path, train: Command) -> None:
    without_sound_checkpoints(finished)
    before = contents(finished)
    assert "no checkpoint loads" in last_line(train(f"run={finished}", LONGER))
    assert contents(finished) == before


def test_the_error_says_what_of_the_code_has_changed_since(finished: Path, train: Command) -> None:
    record = read(finished)
    assert "changed since" not in last_line(train(f"run={finished}", LONGER, "data.std=[1e-39]"))
    change(finished, versions=record["versions"] | {"torch": "1.0"}, git={"commit": "abc"})
    error = last_line(train(f"run={finished}", LONGER, "data.std=[1e-39]"))
    assert "changed since it was recorded: git.commit: abc, now" in error
    assert "versions.torch: 1.0, now 2" in error


def begin_and_end(folder: Path, raised: BaseException) -> None:
    assert read(folder)["state"] == "running"
    (folder / "metrics.csv").write_text("step\n")
    (folder / "arguments.json").write_text("{}")
    raise raised


@pytest.mark.parametrize("raised", [ValueError("because"), KeyError("because"), KeyboardInterrupt(), SystemExit(3)])
def test_an_end_before_the_first_step_leaves_the_record(raised: BaseException, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"state":   "done"}')
    (tmp_path / "metrics.csv").write_text("step\n1\n2\n")
    before = contents(tmp_path)
    expected = CannotGoOnError if isinstance(raised, Exception) else type(raised)
    with pytest.raises(expected), taken_up(tmp_path, FACTS):
        begin_and_end(tmp_path, raised)
    assert contents(tmp_path) == before


def step_and_end(record: Record) -> None:
    record.has_stepped = True
    raise KeyError("because")


def test_an_end_after_a_step_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"state": "done"}')
    with pytest.raises(KeyError), taken_up(tmp_path, FACTS) as record:
        step_and_end(record)
    assert read(tmp_path)["state"] == "failed"
    assert read(tmp_path)["error"]["type"] == "KeyError"
