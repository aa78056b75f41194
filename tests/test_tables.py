"""Tables from the command line: the figures beside scikit-learn's on the same rows, and the life of a run on a CSV."""

import csv
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from src.config.build import build
from src.config.plain import plain
from src.config.recorded import recorded
from src.run.record import read
from tests.conftest import Command
from tests.data.test_csv_table import animals, write

STRENGTHS = [10.0**power for power in range(-3, 4)]


def baseline(run: Path) -> float:
    """The test score of a linear model on the rows of a run, as strong as val chooses: accuracy, or R2."""
    data: Any = build(plain(recorded(run))["data"])
    for stage in ("fit", "test"):
        data.setup(stage)
    train, val, test = (
        (torch.cat([x_BD for x_BD, _ in data.in_order(split)]).numpy(), data.targets(split).numpy())
        for split in ("train", "val", "test")
    )
    models = [
        LogisticRegression(C=strength, max_iter=5000) if data.classes else Ridge(alpha=1 / strength)
        for strength in STRENGTHS
    ]
    return float(max((model.fit(*train) for model in models), key=lambda model: model.score(*val)).score(*test))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_three_seeds_classify_as_well_as_a_logistic_regression_less_one_deviation(train: Command, name: str) -> None:
    runs = train("-m", f"experiment={name}", "seed=0,1,2", f"sweep={name}").runs
    theirs, ours = [baseline(run) for run in runs], [read(run)["metrics"]["test/accuracy"] for run in runs]
    assert len({*theirs, *ours}) > 1
    assert mean(ours) >= mean(theirs) - stdev(theirs)


@pytest.mark.slow
def test_three_seeds_explain_diabetes_as_well_as_a_ridge_regression_less_two_hundredths(train: Command) -> None:
    runs = train("-m", "experiment=diabetes", "seed=0,1,2", "sweep=diabetes").runs
    assert mean(read(run)["metrics"]["test/r2"] for run in runs) >= mean(map(baseline, runs)) - 0.02


def test_a_run_on_a_csv_predicts_another_file_where_its_own_is_gone(
    train: Command, predict: Command, evaluate: Command, tmp_path: Path
) -> None:
    file = write(tmp_path / "animals.csv", animals())
    words = ("data=csv", f"data.file={file}", "data.target=kind", "data.drop=[owner]", "trainer.max_epochs=1")
    run = train(*words, "data.passes=2").run
    config = recorded(run).data
    assert (config.task, list(config.holes), list(config.shape)) == ("multiclass", ["weight"], [5])
    scored = evaluate(f"run={run}")
    assert (scored.code, scored.err) == (0, "")
    text = file.read_text()
    file.unlink()
    new = write(tmp_path / "new.csv", text)
    ended = predict(f"run={run}", f"input={new}", "out=said")
    assert (ended.code, ended.err) == (0, "")
    (said,) = tmp_path.rglob("said/predictions/*.csv")
    with said.open(newline="") as found, (run / "predictions" / "test.csv").open(newline="") as tested:
        rows = list(csv.DictReader(found))
        for row in csv.DictReader(tested):
            assert rows[int(row["index"])]["prediction"] == row["label"]
            assert float(rows[int(row["index"])]["P(cat)"]) == pytest.approx(float(row["P(cat)"]), abs=1e-5)


def test_a_table_that_cannot_be_learnt_is_refused_before_compute(train: Command, tmp_path: Path) -> None:
    file = write(tmp_path / "animals.csv", animals())
    ended = train("data=csv", f"data.file={file}", "data.target=kin")
    assert ended.code == 1
    assert ended.err.strip() == f"error: data.target=kin: {file} has no such column: did you mean kind?"
