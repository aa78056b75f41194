"""Each run has its pictures, drawn from its files alone, and no picture is ever worth a run."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from src.callback.draw import best_point, draw, points
from src.run.record import read
from tests.conftest import DRAWN, FAST, ROOT, Command

CLASSIFIED = {"curves.png", "confusion.png", "class_accuracy.png", "mistakes.png"}


def pictures(run: Path) -> set[str]:
    return {path.name for path in (run / "figures").iterdir()} if (run / "figures").exists() else set()


def test_a_run_has_its_pictures_and_each_shows_something(original: Path) -> None:
    assert pictures(original) == CLASSIFIED
    for name in CLASSIFIED:
        with Image.open(original / "figures" / name) as image:
            assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 20, name


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("model=mlp", "data=logic_gate", "data.passes=20"), (CLASSIFIED - {"mistakes.png"}) | {"predictions.png"}),
        (("model=perceptron", "data=temperature", "optimizer.lr=1e-3"), {"curves.png", "regression.png"}),
        (("model=softmax_regression", "test=false"), {"curves.png"}),
        (("model=softmax_regression", "data.classes=['0','1']"), {"predictions.png", *CLASSIFIED}),
        (("model=softmax_regression", "logger=[]"), CLASSIFIED - {"curves.png"}),
        (("model=softmax_regression", "~callback.predictions"), {"curves.png"}),
        (("model=softmax_regression", "~callback.figures"), set()),
    ],
)
def test_the_pictures_are_those_of_the_task(settings: tuple[str, ...], expected: set[str], train: Command) -> None:
    ended = train(*settings, "trainer.max_epochs=1")
    assert ended.code == 0, ended.err
    assert pictures(ended.run) | {"mistakes.png"} == expected | {"mistakes.png"}  # a net may make none
    assert "is not drawn" not in (ended.run / "train.log").read_text()


def test_pictures_of_the_test_say_so_and_how_many_mistakes_there_are(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr("src.callback.draw.save", lambda figure, path: drawn.update({path.stem: figure}))
    draw(original)
    titles = {
        name: [text.get_text() for text in figure.findobj(Text) if text.get_text().startswith("test: ")]
        for name, figure in drawn.items()
    }
    with (original / "predictions" / "test.csv").open(newline="") as file:
        rows = [row["target"] == row["label"] for row in csv.DictReader(file)]
    wrong = rows.count(False)
    assert titles == {
        "curves": [],
        "confusion": [f"test: {sum(rows)} of {len(rows)} right"],
        "class_accuracy": ["test: 10 classes"],
        "mistakes": [f"test: the surest {min(wrong, 25)} of {wrong} mistakes"],
    }


def test_debug_makes_none(train: Command) -> None:
    run = train(*FAST).run
    assert pictures(run) == set()
    assert not (run / "predictions").exists()


def test_the_curves_are_the_points_of_metrics_csv(original: Path) -> None:
    with (original / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, (step_P, value_P) in points(original).items():
        there = [(int(row["step"]), float(row[name])) for row in rows if row[name] != ""]
        assert list(zip(step_P.tolist(), value_P.tolist(), strict=True)) == there
    assert set(points(original)) == set(read(original)["metrics"])


def test_the_marked_point_is_the_best_that_run_json_names(original: Path) -> None:
    best = read(original)["best"]
    found = best_point(points(original), best["metric"], best["mode"])
    assert found is not None
    assert found[2] == pytest.approx(best["value"], abs=1e-7)
    steps_per_epoch = read(original)["steps"] // read(original)["epochs"]
    assert found[1] == (best["epoch"] + 1) * steps_per_epoch


def test_best_is_no_nan_and_none_where_there_is_no_number() -> None:
    curve = {"val/loss": (np.array([1, 2, 3]), np.array([float("nan"), 3.0, 2.0]))}
    assert best_point(curve, "val/loss", "min") == ("val/loss", 3, 2.0)
    assert best_point(curve, "val/loss", "max") == ("val/loss", 2, 3.0)
    assert best_point(curve, "val/accuracy", "max") is None
    assert best_point({"val/loss": (np.array([1]), np.array([float("nan")]))}, "val/loss", "min") is None


def test_every_picture_is_drawn_again_from_the_files_alone_without_torch(finished: Path) -> None:
    before = {path.name: path.read_bytes() for path in (finished / "figures").iterdir()}
    for part in ("figures", "checkpoints", ".hydra", "tensorboard"):
        shutil.rmtree(finished / part)
    code = (
        "import sys, pathlib; from src.callback.draw import draw; draw(pathlib.Path(sys.argv[1])); "
        "print([name for name in ('torch', 'lightning') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, finished], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert {path.name: path.read_bytes() for path in (finished / "figures").iterdir()} == before


@pytest.mark.parametrize(
    ("name", "content", "lost"),
    [
        ("metrics.csv", b"", {"curves.png"}),
        ("metrics.csv", b"step,epoch,val/loss\n1,0,abc\n", {"curves.png"}),
        ("predictions/test.csv", b"", {"confusion.png", "class_accuracy.png", "mistakes.png"}),
        ("predictions/mistakes.npz", b"PK", {"mistakes.png"}),
        ("predictions/mistakes.npz", b"", {"mistakes.png"}),
    ],
)
def test_a_picture_that_fails_is_a_warning_and_the_others_are_drawn(
    name: str, content: bytes, lost: set[str], finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (finished / name).write_bytes(content)
    drawn = {path.name for path in draw(finished)}
    assert drawn | {"predictions.png", "regression.png"} >= CLASSIFIED - lost
    assert not drawn & lost
    for picture in lost:
        assert f"figures/{picture} is not drawn" in caplog.text


def test_a_run_whose_pictures_fail_ends_as_any_other(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.figure.Figure.draw", lambda *args, **kwargs: 1 / 0)
    ended = train(*DRAWN)
    assert ended.code == 0, ended.err
    assert read(ended.run)["state"] == "done"
    assert "figures/curves.png is not drawn: ZeroDivisionError" in (ended.run / "train.log").read_text()
    assert pictures(ended.run) == set()


@pytest.mark.slow
def test_in_a_sweep_each_run_has_its_own(train: Command) -> None:
    ended = train("-m", *DRAWN, "optimizer.lr=1e-3,1e-2", "sweep=rates")
    assert len(ended.runs) == 2
    assert all(pictures(run) == CLASSIFIED for run in ended.runs)
    first, second = ((run / "figures" / "curves.png").read_bytes() for run in ended.runs)
    assert first != second


def test_a_class_name_in_any_script_is_drawn(train: Command, recwarn: pytest.WarningsRecorder) -> None:
    ended = train(*DRAWN, 'data.labels=["零","$x","2","3","4","5","6","7","8","9"]')
    assert ended.code == 0, ended.err
    assert pictures(ended.run) == CLASSIFIED
