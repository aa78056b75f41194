"""What the cells of a table of images say: a class, a set of labels, numbers; and what they do not say is one line."""

from typing import Any

import pytest

from src.data.read.label_cells import meaning, parts, targets


def read(cells: dict[str, list[str]], **said: Any) -> list[Any]:
    found = meaning(cells, task=said.get("task"), separator=said.get("separator"))
    labels = found["labels"] or []
    lines = [number + 2 for number in range(len(next(iter(cells.values()))))]
    target_N = targets(cells, lines, task=found["task"], labels=labels, separator=found["separator"], file="t.csv")
    return [found["task"], found["labels"], target_N.tolist()]


@pytest.mark.parametrize("sign", ["|", ";", ",", " "])
def test_the_separator_of_several_labels_is_found(sign: str) -> None:
    cells = [f"cat{sign}dog", "dog", "cat", "", f"dog{sign}cat"]
    expected = [[1, 1], [0, 1], [1, 0], [0, 0], [1, 1]]
    assert read({"labels": cells}) == ["multilabel", ["cat", "dog"], expected]


def test_blanks_around_labels_are_none_of_them() -> None:
    assert parts(" cat ; dog;", ";") == ["cat", "dog"]


def test_a_blank_in_the_name_of_a_class_is_no_separator() -> None:
    cells = ["New York", "Los Angeles", "New York"]
    assert read({"labels": cells}) == ["multiclass", ["Los Angeles", "New York"], [1, 0, 1]]


def test_a_separator_that_is_said_is_taken() -> None:
    assert read({"labels": ["a-b", "b"]}, separator="-") == ["multilabel", ["a", "b"], [[1, 1], [0, 1]]]


@pytest.mark.parametrize("flags", [["1", "0", ""], ["1.0", "0.0", ""], ["TRUE", "False", ""]])
def test_columns_of_flags_are_labels_and_an_empty_cell_is_none(flags: list[str]) -> None:
    expected = [[1, 0], [0, 0], [0, 1]]
    assert read({"cat": flags, "dog": ["0", "", "1"]}) == ["multilabel", ["cat", "dog"], expected]


def test_numbers_are_targets_of_a_regression() -> None:
    assert read({"age": ["3", "4.5", "-1e2"]}) == ["regression", None, [3.0, 4.5, -100.0]]
    assert read({"x": ["1", "2"], "y": ["0.5", "1"]}) == ["regression", None, [[1.0, 0.5], [2.0, 1.0]]]


def test_numbers_are_classes_where_the_task_says_so() -> None:
    assert read({"digit": ["3", "5", "3"]}, task="multiclass") == ["multiclass", ["3", "5"], [0, 1, 0]]


@pytest.mark.parametrize(
    ("cells", "said", "words"),
    [
        ({"labels": ["cat", ""]}, {}, "t.csv, line 3: labels is empty, and every sample is of a class"),
        ({"age": ["3", ""]}, {"task": "regression"}, "t.csv, line 3: age is empty, and a number is to be predicted"),
        ({"age": ["3", "old"]}, {"task": "regression"}, "t.csv, line 3: age=old is no number"),
        ({"x": ["3", "inf"], "y": ["1", "2"]}, {}, "t.csv, line 3: x=inf is no number"),
        ({"a": ["1", "2"], "b": ["0", "1"]}, {"task": "multilabel"}, "t.csv, line 3: a=2: each label is 0 or 1"),
    ],
)
def test_what_is_none_of_these_is_one_line(cells: dict[str, list[str]], said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(cells, **said)


def test_a_label_that_is_not_known_suggests_the_nearest() -> None:
    named = {"labels": ["cat", "dog"], "separator": "|", "file": "t.csv"}
    with pytest.raises(ValueError, match=r"line 2: labels=dgo is none of the labels: did you mean dog\?"):
        targets({"labels": ["cat|dgo"]}, [2], task="multilabel", **named)
