"""run.json: the fields the design names, whole at every moment, and a state that is true."""

import json
import threading
from datetime import datetime
from pathlib import Path

import pytest

from src.run.record import Record, read, recording

FACTS = {"overrides": [], "config_hash": "0", "seed": 0, "model": "m", "data": "d", "tags": []}


def test_a_reader_never_sees_half_a_record(tmp_path: Path) -> None:
    record, seen, stop = Record(tmp_path), set(), threading.Event()
    record.update(count=0, text="")

    def watch() -> None:
        while not stop.is_set():
            fields = json.loads((tmp_path / "run.json").read_text())
            assert len(fields["text"]) == fields["count"] * 1000
            seen.add(fields["count"])

    broken: list[BaseException] = []

    def guarded() -> None:
        try:
            watch()
        except BaseException as error:
            broken.append(error)

    reader = threading.Thread(target=guarded)
    reader.start()
    for count in range(200):
        record.update(count=count, text="x" * count * 1000)
    stop.set()
    reader.join()
    assert not broken
    assert len(seen) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_crash_while_writing_leaves_the_old_record(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.update(state="running")
    with pytest.raises(TypeError):
        record.update(metrics=object())  # JSON cannot hold it: half is written
    assert read(tmp_path) == {"state": "running"}


def test_a_run_is_running_while_it_runs_and_done_when_it_is_over(tmp_path: Path) -> None:
    with recording(tmp_path, FACTS):
        during = read(tmp_path)
    after = read(tmp_path)
    assert (during["state"], during["ended"], during["seconds"]) == ("running", None, None)
    assert (after["state"], after["error"]) == ("done", None)
    assert datetime.fromisoformat(after["ended"]) >= datetime.fromisoformat(after["started"])
    assert datetime.fromisoformat(after["started"]).tzinfo is not None
    assert after["seconds"] >= 0


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        (ValueError("because"), "failed"),
        (MemoryError("because"), "failed"),
        (KeyboardInterrupt("because"), "interrupted"),
        (SystemExit("because"), "interrupted"),
    ],
)
def test_what_ends_a_run_is_recorded_and_goes_on(raised: BaseException, state: str, tmp_path: Path) -> None:
    with pytest.raises(type(raised), match="because"), recording(tmp_path, FACTS):
        raise raised
    record = read(tmp_path)
    assert record["state"] == state
    assert record["error"] == {"type": type(raised).__name__, "message": "because"}
    assert record["ended"] is not None


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"state": "do'])
def test_a_damaged_record_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        read(tmp_path)


def test_a_record_taken_up_again_keeps_what_it_held(tmp_path: Path) -> None:
    Record(tmp_path).update(epochs=3)
    Record(tmp_path).update(steps=5)
    assert read(tmp_path) == {"epochs": 3, "steps": 5}
