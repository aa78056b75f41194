"""Texts of one's own: in a column of a table or in files, whatever their encoding, with what is to be told of them."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from src.data.read.text import text
from src.data.read.tokens import hashed
from src.run.record import read
from tests.conftest import Command

SHORT = ("trainer.max_epochs=4", "optimizer.lr=0.01", "data.batch_size=16", "~callback.figures")
SETTINGS = {"length": 6, "unit": "word"}
GOOD, BAD = "정말 훌륭한 영화, film {}", "정말 지루한 영화, film {}"


def table(path: Path, rows: list[list[Any]], *, encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    rows: list[list[Any]] = [["id", "review", "stars"]]
    rows += [[n, (GOOD if n % 2 else BAD).format(n % 5), "good" if n % 2 else "bad"] for n in range(120)]
    return table(tmp_path / "reviews.csv", rows, encoding="cp949")


def told(file: Path | None = None, **settings: Any) -> tuple[dict[str, Any], torch.Tensor, torch.Tensor]:
    """What is found, and the tokens and targets of the training rows."""
    given = {"file": file and str(file), "val_fraction": 0, "test_fraction": 0, **SETTINGS, **settings}
    found = dict(text.facts(**given))
    own = {name: value for name, value in given.items() if name not in ("val_fraction", "test_fraction")}
    own |= {name: found[name] for name in ("task", "labels", "separator")}
    return found, *text.read(**own, split="train")


def test_a_table_in_another_encoding_gives_its_texts_and_classes_in_order(reviews: Path) -> None:
    found, token_NL, class_N = told(reviews, text="review", target="stars")
    assert (found["task"], found["labels"], found["official"]) == ("multiclass", ["bad", "good"], ["train"])
    assert class_N.tolist() == [0, 1] * 60
    assert torch.equal(token_NL[:2], hashed([BAD.format(0), GOOD.format(1)], unit="word", length=6))


@pytest.mark.parametrize(
    ("cells", "task", "expected"),
    [
        (["a|b", "", "b"], "multilabel", [[1, 1], [0, 0], [0, 1]]),
        (["1.5", "2", "-3"], "regression", [1.5, 2.0, -3.0]),
    ],
)
def test_cells_say_what_is_to_be_told(cells: list[str], task: str, expected: Any, tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", [["text", "label"], *[["some words", cell] for cell in cells]])
    found, _, target_N = told(file)
    assert found["task"] == task
    assert target_N.tolist() == expected
    if task == "regression":
        assert found["target_mean"] == pytest.approx([1 / 6])


def test_a_column_says_which_split_a_text_is_of(tmp_path: Path) -> None:
    rows = [["text", "label", "part"], ["one", "a", "train"], ["two", "b", "Training"], ["three", "a", "test"]]
    file = table(tmp_path / "a.csv", rows)
    found, token_NL, _ = told(file, split_column="part")
    assert found["official"] == ["train", "test"]
    assert torch.equal(token_NL, hashed(["one", "two"], unit="word", length=6))


def folder(root: Path, *, splits: bool) -> Path:
    for split in ("train", "test") if splits else ("",):
        for name, said in (("neg", "bad film"), ("pos", "good film")):
            place = root / split / name
            place.mkdir(parents=True)
            for number in range(3):
                (place / f"{number}.txt").write_text(f"{said} {split} {number}", encoding="utf-8")
    return root


@pytest.mark.parametrize("splits", [False, True])
def test_a_folder_per_class_holds_a_file_for_each_text(splits: bool, tmp_path: Path) -> None:
    found, token_NL, class_N = told(root=str(folder(tmp_path / "texts", splits=splits)))
    assert found["labels"] == ["neg", "pos"]
    assert found["official"] == (["train", "test"] if splits else ["train"])
    assert class_N.tolist() == [0, 0, 0, 1, 1, 1]
    said = "good film train 0" if splits else "good film 0"
    assert torch.equal(token_NL[3], hashed([said], unit="word", length=6)[0])


WRONG = {
    "no column": ([["text", "star"], ["a b", "x"], ["a", "y"]], {}, r"data\.target=label: .* has no such column"),
    "empty text": ([["text", "label"], ["a b", "x"], [" ", "y"]], {}, "1 texts are empty, in line 3"),
    "one class": ([["text", "label"], ["a b", "x"], ["c", "x"]], {}, "all samples are x"),
    "no class": ([["text", "label"], ["a b", "x"], ["c", ""]], {"task": "multiclass"}, "line 3: label is empty"),
    "rare class": (
        [["text", "label"], *[["a b", "x"]] * 9, ["c", "y"]],
        {"val_fraction": 0.9},
        "no training sample is y",
    ),
    "no text": ([["text", "label"]], {}, "names of columns and no rows"),
    "no split": ([["text", "label", "s"], ["a", "x", "odd"]], {"split_column": "s"}, "line 2: 'odd' is no split"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_table_that_cannot_be_is_one_line_before_compute(name: str, tmp_path: Path) -> None:
    rows, settings, said = WRONG[name]
    with pytest.raises(ValueError, match=said) as raised:
        told(table(tmp_path / "a.csv", rows), **settings)
    assert "\n" not in str(raised.value)


def test_a_file_in_no_known_encoding_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path / "texts", splits=False)
    (root / "neg" / "0.txt").write_bytes(b"caf\xe9 \xff\xff")
    with pytest.raises(ValueError, match=r"neg/0\.txt is neither UTF-8 nor CP949"):
        told(root=str(root))
    assert told(root=str(root), encoding="latin-1")[2].tolist() == [0, 0, 0, 1, 1, 1]


def test_either_a_table_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"neither data\.file nor data\.root is set"):
        told()
    with pytest.raises(ValueError, match="are both set"):
        told(tmp_path / "a.csv", root=str(tmp_path))


def test_a_run_on_texts_goes_through_its_life(reviews: Path, train: Command, predict: Command, tmp_path: Path) -> None:
    words = ("data=text", f"data.file={reviews}", "data.text=review", "data.target=stars")
    run = train(*words, *SHORT).run
    assert read(run)["metrics"]["test/accuracy"] == 1.0
    said = predict(f"run={run}", f"input={reviews}")
    assert said.code == 0, said.err
    (written,) = run.glob("predictions/input_reviews*.csv")
    with written.open(encoding="cp949", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == [row["stars"] for row in rows]
    (tmp_path / "new.txt").write_text("훌륭한 영화", encoding="utf-8")
    assert "good" in predict(f"run={run}", f"input={tmp_path / 'new.txt'}").out
