"""metrics.csv holds every point exactly, under one header, also where a column comes late or a run goes on."""

import csv
import math
from pathlib import Path

import torch

from src.fit.csv_logger import CSV
from tests import toy


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_come_back_exactly(tmp_path):
    values = [0.1, 1 / 3, 1e-300, 123456789.123456789, -0.0, float("inf")]
    logger = CSV(str(tmp_path))
    for step, value in enumerate(values):
        logger.log_metrics({"train/loss": value, "epoch": 0}, step=step)
    assert [float(row["train/loss"]) for row in rows(tmp_path)] == values
    assert [int(row["step"]) for row in rows(tmp_path)] == list(range(6))


def test_nan_is_written_and_not_left_out(tmp_path):
    CSV(str(tmp_path)).log_metrics({"train/loss": float("nan")}, step=1)
    assert math.isnan(float(rows(tmp_path)[0]["train/loss"]))


def test_a_late_column_leaves_one_header_and_the_rows_before_it_as_they_were(tmp_path):
    logger = CSV(str(tmp_path))
    logger.log_metrics({"train/loss": 0.5, "epoch": 0}, step=1)
    logger.log_metrics({"val/loss": 0.25, "epoch": 0}, step=2)
    logger.log_metrics({"train/loss": 0.125, "epoch": 1}, step=3)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == ["step,epoch,train/loss,val/loss", "1,0,0.5,", "2,0,,0.25", "3,1,0.125,"]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_names_with_commas_and_quotes_come_back(tmp_path):
    logger = CSV(str(tmp_path))
    logger.log_metrics({'a,b "c"': 1.0}, step=0)
    logger.log_metrics({"d": 2.0}, step=1)
    assert [row['a,b "c"'] for row in rows(tmp_path)] == ["1.0", ""]


def test_a_run_that_goes_on_appends_under_the_same_header(tmp_path):
    CSV(str(tmp_path)).log_metrics({"train/loss": 0.5, "val/loss": 1.5, "epoch": 0}, step=1)
    again = CSV(str(tmp_path))
    again.log_metrics({"epoch": 1}, step=2)
    again.log_metrics({"val/loss": 2.5, "epoch": 1}, step=3)
    again.log_metrics({"val/accuracy": 0.75}, step=4)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == [
        "step,epoch,train/loss,val/loss,val/accuracy",
        "1,0,0.5,1.5,",
        "2,1,,,",
        "3,1,,2.5,",
        "4,,,,0.75",
    ]


def test_a_fit_writes_each_point_once_and_the_file_says_what_another_logger_got(tmp_path):
    points = toy.Points()
    model = toy.multiclass(
        torch.nn.Linear(4, 3),
        outputs=3,
        loss=torch.nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD,
        metrics=["accuracy"],
    )
    trainer = toy.trainer(tmp_path, max_epochs=2, log_every_n_steps=2, logger=[CSV(str(tmp_path / "csv")), points])
    trainer.fit(model, toy.tabular(batch_size=7))
    written = [
        (int(row.pop("step")), {name: float(value) for name, value in row.items() if value})
        for row in rows(tmp_path / "csv")
    ]
    assert written == points.points
