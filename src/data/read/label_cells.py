"""What the cells of a table say of images or texts: a class, a set of labels, or numbers.

Shapes: N rows, K labels or numbers.
"""

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from src.data.read.readable import label
from src.data.split.splitting import Splitting

SEPARATORS = ("|", ";", ",", " ")  # of several labels in a cell, the first that some cell has
FLAGS = {"": 0, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}  # of a column per label


def meaning(cells: Mapping[str, Sequence[str]], *, task: str | None, separator: str | None) -> dict[str, Any]:
    """Return task, labels and separator of the columns to predict: {name: text of each row}.

    Several columns of 0 and 1 are labels; other numbers, of one column or several, are to be predicted; text is a
    class, or several labels with a separator between them.
    """
    if len(cells) > 1 and all(_are_flags(column) for column in cells.values()) and task in (None, "multilabel"):
        return {"task": "multilabel", "labels": [label(name) for name in cells], "separator": ""}
    (column, *more) = cells.values()
    filled = [cell for cell in column if cell]
    are_numbers = bool(more) or (bool(filled) and all(_number(cell) is not None for cell in filled))
    if task == "regression" or (task is None and are_numbers):
        return {"task": "regression", "labels": None, "separator": ""}
    if separator is None:
        separator = "" if task in ("multiclass", "binary") else _separator(filled)
    labels = sorted({part for cell in column for part in parts(cell, separator)})
    return {"task": task or ("multilabel" if separator else "multiclass"), "labels": labels, "separator": separator}


def parts(cell: str, separator: str) -> list[str]:
    """Return the labels in a cell, without blanks around them; of an empty one none."""
    found = cell.split(separator) if separator else [cell]
    return [label(part.strip()) for part in found if part.strip()]


def targets(
    cells: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    *,
    task: str,
    labels: Sequence[str],
    separator: str,
    file: str,
) -> Tensor:
    """Return class numbers (N,), a 0 or 1 for each label (N, K), or numbers (N,), of several columns (N, K).

    Raises ValueError, naming the line, for an empty cell where there must be something, and for what is none of these.
    """
    if task == "regression":
        number_KN = [_numbers(name, column, lines, file) for name, column in cells.items()]
        return torch.tensor(number_KN[0] if len(cells) == 1 else list(zip(*number_KN, strict=True)))
    if len(cells) > 1:
        return torch.tensor([_flags(name, column, lines, file) for name, column in cells.items()]).T.contiguous()
    place = {name: number for number, name in enumerate(labels)}
    ((name, column),) = cells.items()
    found = [parts(cell, separator) for cell in column]
    for names, line in zip(found, lines, strict=True):
        for unknown in (each for each in names if each not in place):
            near = get_close_matches(unknown, labels, n=1)
            hint = f"did you mean {near[0]}?" if near else "add it to data.labels"
            raise ValueError(f"{file}, line {line}: {name}={unknown} is none of the labels: {hint}")
        if task != "multilabel" and len(names) != 1:
            raise ValueError(
                f"{file}, line {line}: {name} is empty, and every sample is of a class: fill it in, or where one "
                "may have no label set data.task=multilabel"
            )
    if task != "multilabel":
        return torch.tensor([place[names[0]] for names in found])
    target_NK = torch.zeros(len(found), len(labels), dtype=torch.long)
    for row, names in enumerate(found):
        target_NK[row, [place[each] for each in names]] = 1
    return target_NK


def scaling(target_N: Tensor) -> dict[str, list[float]]:
    """Return mean and standard deviation of training targets (N,) or (N, K), 1 where they are all the same."""
    target_NK = target_N.double().reshape(len(target_N), -1)
    deviation_K = target_NK.std(dim=0, correction=0)
    std_K = torch.where(deviation_K > 0, deviation_K, 1.0)
    return {"target_mean": target_NK.mean(dim=0).tolist(), "target_std": std_K.tolist()}


def training(splits: Sequence[str], settings: Mapping[str, Any]) -> Tensor:
    """Return which rows, each of an official split, a run with these settings trains on."""
    takes = inspect.signature(Splitting).parameters
    splitting = Splitting(**{name: value for name, value in settings.items() if name in takes and value is not None})
    source_M = torch.tensor([row for row, name in enumerate(splits) if name == "train"])
    return source_M[splitting.parts("train", len(source_M))["train"]]


def check_labels(
    target_N: Tensor, train_M: Tensor, labels: Sequence[str], settings: Mapping[str, Any], *, file: str
) -> None:
    """Raise ValueError for a chosen label that no training row has, and where all are of one class."""
    chosen = settings.get("classes") or labels
    for number, name in enumerate(labels):
        has_N = target_N[:, number] == 1 if target_N.ndim == 2 else target_N == number
        if name in chosen and not has_N[train_M].any():
            raise ValueError(
                f"{file}: no training sample is {name}, of {int(has_N.sum())} in all: add some, set another "
                "data.split_seed, or name the other labels in data.classes"
            )
    if len(labels) < 2 and target_N.ndim == 1:
        raise ValueError(f"{file}: all samples are {labels[0]}: name another column, data.target=...")


def _separator(cells: Sequence[str]) -> str:
    """Return what stands between labels; a blank only where it makes fewer labels than there are different cells."""
    for sign in SEPARATORS:
        if any(sign in cell.strip() for cell in cells):
            found = {part for cell in cells for part in parts(cell, sign)}
            if sign != " " or len(found) < len({*cells}):
                return sign
    return ""


def _are_flags(column: Sequence[str]) -> bool:
    return all(cell.lower() in FLAGS for cell in column)


def _flags(name: str, column: Sequence[str], lines: Sequence[int], file: str) -> list[int]:
    for cell, line in zip(column, lines, strict=True):
        if cell.lower() not in FLAGS:
            raise ValueError(f"{file}, line {line}: {name}={cell}: each label is 0 or 1")
    return [FLAGS[cell.lower()] for cell in column]


def _numbers(name: str, column: Sequence[str], lines: Sequence[int], file: str) -> list[float]:
    found = []
    for cell, line in zip(column, lines, strict=True):
        value = _number(cell)
        if value is None:
            what = f"{name}={cell} is no number" if cell else f"{name} is empty, and a number is to be predicted"
            raise ValueError(f"{file}, line {line}: {what}: correct it, or remove the line")
        found.append(value)
    return found


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
