"""Run folders of earlier versions: read with the scores that they recorded, refused where they cannot go on.

format1 holds folders that version 0.3 wrote, and every name that its conf could put into one.
"""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from PIL import Image

from src.config.allow import resolve
from src.config.recorded import recorded
from src.config.renamed import FORMAT, KEYS, NODES, TARGETS, renamed
from src.config.schema import register
from src.run.record import read
from src.run.resume import refuse_other_formats
from src.run.trained import load
from tests.conftest import Command

FORMAT1 = Path(__file__).with_name("format1")
RUNS = sorted(path.parent.relative_to(FORMAT1).as_posix() for path in FORMAT1.rglob("run.json"))
TRAINED = [name for name in RUNS if (FORMAT1 / name / "checkpoints").is_dir()]
TESTED = [name for name in TRAINED if "test/loss" in read(FORMAT1 / name)["metrics"]]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of all folders of format 1, which a test may change."""
    return Path(shutil.copytree(FORMAT1, tmp_path / "old"))


def set_fields(folder: Path, **fields: Any) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("name", (FORMAT1 / "targets.txt").read_text().split())
def test_every_name_that_an_earlier_version_recorded_still_stands_for_something(name: str) -> None:
    found = renamed({"_target_": name, "batch_size": 1})
    assert callable(resolve(found["_target_"]))


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_config_of_an_earlier_version_is_read_as_one_of_this(name: str) -> None:
    register()
    config = OmegaConf.to_container(recorded(FORMAT1 / name, trains=True))
    assert renamed(config) == config


@pytest.mark.parametrize("name", TRAINED)
def test_eval_scores_an_earlier_versions_run_as_it_recorded(name: str, old: Path, evaluate: Command) -> None:
    split = "test" if name in TESTED else "val"
    ended = evaluate(f"run={old / name}", f"split={split}")
    assert ended.code == 0, ended.err
    with (old / name / "eval.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    recorded_scores = read(FORMAT1 / name)["metrics"]
    scores = {key: float(value) for key, value in row.items() if key.startswith(f"{split}/")}
    assert set(scores) == {key for key in recorded_scores if key.startswith(f"{split}/")}
    assert scores == pytest.approx({key: recorded_scores[key] for key in scores}, abs=1e-6)


def test_predict_explain_export_and_load_read_an_earlier_versions_run(
    old: Path, tmp_path: Path, predict: Command, explain: Command, export: Command
) -> None:
    Image.new("L", (16, 16), 99).save(tmp_path / "grey.png")
    run = f"run={old / 'image'}"
    for ended in (predict(run, "input=test"), explain(run, "input=grey.png"), export(run, "format=torch_export")):
        assert ended.code == 0, ended.err
    with (old / "image" / "predictions" / "input_test.csv").open(newline="") as file:
        hits = [row["target"] == row["label"] for row in csv.DictReader(file)]
    assert len(hits) == 360
    assert sum(hits) / 360 == pytest.approx(read(FORMAT1 / "image")["metrics"]["test/accuracy"], abs=1e-6)
    assert load(old / "image").classes == [str(digit) for digit in range(10)]


def test_report_sets_runs_of_an_earlier_version_beside_todays(old: Path, finished: Path, report: Command) -> None:
    shutil.copytree(finished, old / "new")
    ended = report(f"run={old}")
    assert ended.code == 0, ended.err
    assert "_target_" not in ended.out
    for name in RUNS:
        best = read(FORMAT1 / name)["best"]["value"]
        assert best is None or f"{best:.4f}"[:6] in ended.out or "±" in ended.out


def test_a_finished_run_of_an_earlier_version_is_done_and_an_unfinished_one_is_refused(
    old: Path, train: Command
) -> None:
    run = old / "gate"
    assert "is done" in train(f"run={run}").err
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "train.log"}
    assert "an earlier version began it (format 1)" in train(f"run={run}", "trainer.max_epochs=9").error
    set_fields(run, state="interrupted")
    before[run / "run.json"] = (run / "run.json").read_bytes()
    assert "start anew, from its weights with model.weights=old/gate" in train(f"run={run}").error
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_of_an_earlier_version_is_repeated_with_the_same_scores(old: Path, train: Command) -> None:
    ended = train(f"rerun={old / 'gate'}")
    assert ended.code == 0, ended.err
    assert read(ended.run)["format"] == FORMAT
    assert read(ended.run)["metrics"] == pytest.approx(read(old / "gate")["metrics"], abs=1e-6)


@pytest.mark.parametrize("number", [FORMAT + 1, "new", None])
def test_a_folder_of_a_later_version_is_refused_by_every_reader(number: Any, old: Path, evaluate: Command) -> None:
    set_fields(old / "gate", format=number)
    for reads in (read, recorded, load, refuse_other_formats):
        with pytest.raises(ValueError, match=rf"format={number}: .*upgrade"):
            reads(old / "gate")
    assert "upgrade" in evaluate(f"run={old / 'gate'}").error


def test_keys_move_with_what_they_hold_and_a_node_changes_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KEYS, "data.workers", "data.load.workers")
    monkeypatch.setitem(KEYS, "data.gone", None)
    monkeypatch.setitem(TARGETS, "a.B", "c.D")
    monkeypatch.setitem(NODES, "a.Both", lambda node: {"_target_": "a.B", "part": {"_target_": "a.B", "of": node["x"]}})
    given = {"data": {"workers": 3, "gone": 1, "x": "a.B"}, "model": [{"_target_": "a.Both", "x": "${data.workers}"}]}
    assert renamed(given) == {
        "data": {"x": "c.D", "load": {"workers": 3}},
        "model": [{"_target_": "c.D", "part": {"_target_": "c.D", "of": "${data.workers}"}}],
    }
    assert given["data"]["workers"] == 3


def test_a_dataset_without_a_scale_is_divided_as_its_version_did(old: Path) -> None:
    register()
    path = old / "gate" / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    for said, scale in (("1", 1), (None, 255.0)):
        if said is None:
            del config.data["scale"]
            OmegaConf.save(config, path)
        assert recorded(old / "gate").data.scale == scale
    set_fields(old / "gate", format=FORMAT)
    assert "scale" not in recorded(old / "gate").data  # of today's versions the dtype says it
