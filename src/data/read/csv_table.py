"""A CSV file as data: rows with a number or a category in each column, and the column or columns to predict.

What the file tells is found before a run and recorded with it. Numbers that are missing are the mean of the training
split, with a further input that says so where some of that split are; a category that the training split does not have,
or that is missing, is none of those known.

Shapes: N rows, C columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from src.data.dataset import dataset
from src.data.read.arrays import Meaning, arrays
from src.data.read.columns import MOST_CLASSES, Column, looked_at, number
from src.data.read.csv_text import Sheet, sheet
from src.data.read.folders import SPLITS, listed, say_once
from src.data.read.measured import MEASURED, measured
from src.data.read.readable import label, readable

TELLS = ("task", "inputs", "categories", "official", *MEASURED)


def facts(*, file: str, target: str | Sequence[str], **settings: Any) -> Mapping[str, Any]:
    """Return what a file says of itself: task, classes, inputs and their categories, splits; and what fits training."""
    table = sheet(file, encoding=settings.get("encoding"))
    columns, rows = looked_at(table)
    targets = _targets(table, target)
    found = _of_target(table, [columns[name] for name in targets], settings)
    inputs = _inputs(table, columns, targets, settings)
    found |= {"inputs": list(inputs), "categories": [_categories(columns[name]) for name in inputs]}
    meaning = _meaning(table, target, **{**settings, **found})
    read = arrays(table, meaning)
    splits = [split for split in SPLITS if split in (read.split_N or ["train"])]
    if "train" not in splits:
        raise ValueError(f"data.split_column={meaning.split}: no row of {readable(file)} is train")
    found["official"] = splits
    kinds = [categories is None for categories in meaning.categories]
    say_once(
        f"{readable(file)}: {rows:,} rows ({table.encoding}), {sum(kinds)} numbers and {len(kinds) - sum(kinds)} "
        f"categories to predict {', '.join(targets)} from, data.task={found['task']}"
    )
    return found | measured(read, meaning, settings | found)


@dataset(facts=facts, tells=TELLS)
def csv_table(
    file: str,
    target: str | Sequence[str],
    *,
    labels: Sequence[str] | None,
    inputs: Sequence[str],
    categories: Sequence[Sequence[str] | None],
    drop: Sequence[str] = (),
    group: str | None = None,
    split_column: str | None = None,
    encoding: str | None = None,
    split: str,
) -> tuple[Tensor, ...]:
    """Return inputs (N, C) and targets of a split: class numbers, or numbers, of several targets (N, K); and groups."""
    table = sheet(file, encoding=encoding)
    named: dict[str, Any] = {"labels": labels, "inputs": inputs, "categories": categories}
    read = arrays(table, _meaning(table, target, **named, group=group, split_column=split_column))
    parts = [read.input_NC, read.target_N, *([] if read.group_N is None else [read.group_N])]
    if read.split_N is None:
        return tuple(parts)
    rows_M = torch.tensor([row for row, name in enumerate(read.split_N) if name == split], dtype=torch.long)
    return tuple(part[rows_M] for part in parts)


def _meaning(
    table: Sheet,
    target: str | Sequence[str],
    *,
    labels: Sequence[str] | None,
    inputs: Sequence[str],
    categories: Sequence[Sequence[str] | None],
    group: str | None = None,
    split_column: str | None = None,
    **_: Any,
) -> Meaning:
    known = tuple(None if some is None else tuple(some) for some in categories)
    names = None if labels is None else tuple(labels)
    return Meaning(tuple(inputs), known, tuple(_targets(table, target)), names, group, split_column)


def _targets(table: Sheet, target: str | Sequence[str]) -> list[str]:
    names = [target] if isinstance(target, str) else list(target)
    return [table.columns[table.position(name, key="data.target")] for name in names]


def _of_target(table: Sheet, columns: Sequence[Column], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the task and, of classes, their names; raises ValueError for a target that cannot be learnt."""
    for column in columns:
        if len(column.values or "..") < 2:
            raise ValueError(
                f"data.target={column.name}: all rows of {readable(table.path)} have the same value: name another"
            )
    task = settings.get("task") or _task(columns)
    if task == "regression":
        for column in columns:
            column.check(table.path, cure="set data.task=multiclass")
        return {"task": task, "labels": None}
    if len(columns) > 1:
        raise ValueError(
            f"data.target={[column.name for column in columns]}: several targets are numbers, and one of these holds "
            "text: name one column"
        )
    if columns[0].values is None:
        raise ValueError(
            f"data.target={columns[0].name}: more than a thousand classes: name another, or data.task=regression"
        )
    labels = sorted({label(value) for value in columns[0].known()}, key=_order)
    return {"task": settings.get("task") or ("binary" if len(labels) == 2 else "multiclass"), "labels": labels}


def _task(columns: Sequence[Column]) -> str | None:
    """Return regression for numbers that are not few whole ones, None for classes."""
    if len(columns) > 1 and not any(column.texts for column in columns):
        return "regression"
    column = columns[0]
    if column.texts >= max(1, 0.1 * column.numbers):
        return None
    are_few = column.values is not None and len(column.values) <= MOST_CLASSES
    are_whole = are_few and all(
        (number(value, comma=False) or 0.5).is_integer() or value == "0" for value in column.known()
    )
    return None if are_whole else "regression"


def _order(name: str) -> tuple[bool, float, str]:
    value = number(name, comma=False)
    return value is None, value or 0.0, name


def _inputs(
    table: Sheet, columns: Mapping[str, Column], targets: Sequence[str], settings: Mapping[str, Any]
) -> list[str]:
    """Return the columns to predict from; raises ValueError where there is none, or text in one of numbers."""
    given = settings.get("inputs")
    if given is not None:
        names = [table.columns[table.position(name, key="data.inputs")] for name in given]
    else:
        keys = {"data.drop": settings.get("drop") or (), "data.group": [settings.get("group")]}
        keys |= {"data.split_column": [settings.get("split_column")]}
        away = {table.position(name, key=key) for key, some in keys.items() for name in some if name}
        names = [name for place, name in enumerate(table.columns) if name and place not in away and name not in targets]
    left = {name: reason for name in names if (reason := columns[name].unfit())}
    for name in names:
        if name not in left:
            columns[name].check(table.path, cure=f"leave the column out, data.drop=[{name}]")
    if left:
        say_once(f"{readable(table.path)}: left out: {listed([f'{name} ({reason})' for name, reason in left.items()])}")
    if "" in table.columns:
        say_once(f"{readable(table.path)}: a column without a name, such as numbers of rows, is left out")
    kept = [name for name in names if name not in left]
    if not kept:
        has = ", ".join(table.columns)
        raise ValueError(f"{readable(table.path)}: no column to predict {', '.join(targets)} from: it has {has}")
    return kept


def _categories(column: Column) -> list[str] | None:
    return column.categories() if column.texts else None
