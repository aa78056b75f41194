"""A user's CSV with what a net says of its rows: rows, other columns, encoding and quotes stay as they are."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from src.fit.annotated import annotate
from src.task.regression import Regression
from tests.data.test_csv_table import KINDS, animals, data, write


class Model(nn.Module):
    """What is asked of a model: outputs, and what they mean."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Linear(inputs, outputs)

    def forward(self, x_B: torch.Tensor) -> torch.Tensor:
        return self.net(x_B)

    def predict(self, output_BK: torch.Tensor) -> torch.Tensor:
        return output_BK.softmax(dim=1)


NEW = """note;weight;length;colour;kind
"a;b";50,5;0,25;red;cat

"two
lines";;0,5;blue;
'plain;41,0;0,75;green;dog
"""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_columns_are_added(tmp_path: Path, encoding: str, end: str) -> None:
    made = data(write(tmp_path / "a.csv", animals()), drop=["owner"])
    text = NEW.replace("note", "메모").replace("\n", end)
    source = write(tmp_path / "new.csv", text, encoding=encoding)
    said = annotate(Model(5, 3), made, str(source), tmp_path / "out.csv", device=torch.device("cpu"))
    found = (tmp_path / "out.csv").read_bytes().decode(encoding)
    if encoding == "utf-8-sig":
        assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    before, after = text.split(end), found.split(end)
    assert len(before) == len(after)
    assert all(new.startswith(old) for old, new in zip(before, after, strict=True))
    rows = list(csv.DictReader(found.splitlines(keepends=True), delimiter=";"))
    assert list(rows[0])[-4:] == ["prediction", *(f"P({kind})" for kind in KINDS)]
    assert said.rows == len(rows) == 3
    assert said.notes == [
        "colour: 1 rows are of no category that training had, and stand for none",
        "weight: 1 rows are empty, the mean of training stands for them",
    ]
    for row in rows:
        shares = [float(row[f"P({kind})"]) for kind in KINDS]
        assert sum(shares) == pytest.approx(1)
        assert row["prediction"] == KINDS[shares.index(max(shares))]


def test_what_is_said_of_a_row_is_what_the_test_says_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", animals())
    made, model = data(path, drop=["owner"]), Model(5, 3)
    annotate(model, made, str(path), tmp_path / "out.csv", device=torch.device("cpu"))
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said_B = torch.cat([model.predict(model(x_BD)) for x_BD, _ in made.in_order("test")])
    for row, said in zip(made.indices["test"].tolist(), said_B, strict=True):
        assert [float(rows[row][f"P({kind})"]) for kind in KINDS] == pytest.approx(said.tolist(), abs=1e-6)


def test_numbers_are_in_the_units_of_the_data_and_columns_of_an_earlier_turn_stay(tmp_path: Path) -> None:
    rows = "\n".join(f"{row % 7},{row},{1000 - 3 * row}" for row in range(50))
    path = write(tmp_path / "a.csv", f"x,a,b\n{rows}\n")
    made = data(path, target=["a", "b"])
    header = made.header
    task = Regression(outputs=2, loss=nn.MSELoss(), target_mean=header.target_mean, target_std=header.target_std)
    model: Any = Model(1, 2)
    model.predict = task.predict
    annotate(model, made, str(path), tmp_path / "one.csv", device=torch.device("cpu"))
    annotate(model, made, str(tmp_path / "one.csv"), tmp_path / "two.csv", device=torch.device("cpu"))
    with (tmp_path / "two.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0])[3:] == ["prediction(a)", "prediction(b)", "prediction(a)_2", "prediction(b)_2"]
    assert abs(sum(float(row["prediction(b)"]) for row in found) / 50 - 926) < 100
    assert all(row["prediction(b)"] == row["prediction(b)_2"] for row in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weight,length,color,kind\n1,2,red,cat\n", "data.inputs=colour: .*did you mean color"),
        ("weight,length,colour\n1,2,red\nheavy,2,red\n", "line 3: column weight holds numbers, and here 'heavy'"),
        ("weight,length,colour\n1,2,red,4\n", "line 2: 4 fields, and 3 columns"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_nothing_written(tmp_path: Path, text: str, words: str) -> None:
    made = data(write(tmp_path / "a.csv", animals()), drop=["owner"])
    source = write(tmp_path / "new.csv", text)
    with pytest.raises(ValueError, match=words):
        annotate(Model(5, 3), made, str(source), tmp_path / "out.csv", device=torch.device("cpu"))
    assert not (tmp_path / "out.csv").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "new.csv"]


def test_a_class_that_is_a_formula_is_no_formula(tmp_path: Path) -> None:
    rows = "\n".join(f"{row},{('=SUM(A1)', '${oc.env:HOME}')[row % 2]}" for row in range(60))
    path = write(tmp_path / "a.csv", f"x,kind\n{rows}\n")
    made, model = data(path), Model(1, 2)
    annotate(model, made, str(path), tmp_path / "out.csv", device=torch.device("cpu"))
    with (tmp_path / "out.csv").open(newline="") as file:
        assert {row["prediction"] for row in csv.DictReader(file)} <= {"'=SUM(A1)", r"\x24{oc.env:HOME}"}
