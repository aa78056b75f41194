"""No cell of a CSV is computed by a spreadsheet, and each comes back as it was."""

import csv
from pathlib import Path

import pytest

from src.eval import store
from src.run.cell import cell, text
from src.run.prediction_table import Table, read
from src.run.row_files import RowFiles
from src.view.average import Row
from src.view.gather import Run
from src.view.table import comma_separated

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-x.jpg", "@SUM(A1)", "\tx", "'quoted", "plain", "", "-", "a=b"]


@pytest.mark.parametrize("value", FORMULAS)
def test_a_text_is_no_formula_and_comes_back(value: str) -> None:
    assert not str(cell(value)).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert text(str(cell(value))) == value


@pytest.mark.parametrize("value", [-1, -0.5, None, True, "-0.5", "+1e-3", "-inf"])
def test_a_number_stays_one(value: object) -> None:
    assert cell(value) == value


def test_classes_and_paths_that_look_like_formulas_are_read_as_they_were(tmp_path: Path) -> None:
    table = Table(tmp_path / "test.csv", ["index", "path", "target", "label", "P(=a)", "P(-b)"])
    table.add([[0, "=p.png", "=a", "-b", 0.25, 0.75], [1, "-q.png", "-b", "-b", 0.5, 0.5]])
    table.close()
    found = read(tmp_path / "test.csv")
    assert (found.classes, found.target.tolist(), found.prediction.tolist()) == (["=a", "-b"], [0, 1], [1, 1])
    assert found.extra["path"] == ["=p.png", "-q.png"]
    cells = [value for row in csv.reader((tmp_path / "test.csv").read_text().splitlines()) for value in row]
    assert not [value for value in cells if value[:1] in ("=", "-", "+", "@")]


def test_the_rows_of_predict_and_eval_hold_no_formula(tmp_path: Path) -> None:
    with RowFiles(tmp_path / "said", ["path", "label"]) as files:
        files.add({"path": "=x.png", "label": "@y"})
    for _ in range(2):  # read again and stored again
        store(tmp_path / "eval.csv", [{"checkpoint": "=c.ckpt", "split": "test", "test/loss": -1.0}])
    for name in ("said.csv", "eval.csv"):
        rows = list(csv.reader((tmp_path / name).read_text().splitlines()))
        assert len(rows) == 2
        assert rows[1][0].startswith("'=")


def test_no_header_holds_a_formula_and_rows_are_found_under_it_again(tmp_path: Path) -> None:
    with RowFiles(tmp_path / "said", ["=path", "label"]) as files:
        files.add({"=path": "x.png", "label": "y"})
    for split in ("val", "test", "test"):  # read again and stored again
        store(tmp_path / "eval.csv", [{"checkpoint": "c.ckpt", "split": split, "-loss": 1.0, "@acc": 0.5}])
    run = Run(Path("none"), "x", "failed", settings={"=1+1": 1}, scores={"+loss": 1.0}, monitor=("", "min"))
    (tmp_path / "table.csv").write_text(comma_separated([Row([run], [run])], ["=1+1"]))
    for name, rows in (("said.csv", 2), ("eval.csv", 3), ("table.csv", 2)):
        header, *body = csv.reader((tmp_path / name).read_text().splitlines())
        assert len(body) + 1 == rows
        assert {len(row) for row in body} == {len(header)}
        assert not [value for value in header if value.startswith(("=", "+", "-", "@"))], header
