"""All rows of a CSV file as arrays, read once, without its text beside them.

Shapes: N rows, B some rows, C columns, K targets.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from src.data.read.columns import all_numbers, is_missing, number, state_of
from src.data.read.csv_text import Sheet, chunks
from src.data.read.folders import split_of
from src.data.read.readable import label, readable


class Meaning(NamedTuple):
    """Which columns mean what: of `inputs` the categories, None for numbers; the `labels` of a target of classes."""

    inputs: tuple[str, ...]
    categories: tuple[tuple[str, ...] | None, ...]
    targets: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    group: str | None = None
    split: str | None = None


class Arrays(NamedTuple):
    """All rows: inputs (N, C) with NaN for what is missing and -1 for no category; targets (N,) or (N, K).

    `group_N` numbers the groups, `split_N` the splits, where there are columns that say them.
    """

    input_NC: Tensor
    target_N: Tensor
    group_N: Tensor | None
    split_N: list[str] | None


def arrays(table: Sheet, meaning: Meaning) -> Arrays:
    """Return all rows as arrays; raises ValueError, naming line and column, for what is not as `meaning` says."""
    return _arrays(table, meaning, state_of(table))


def read_inputs(table: Sheet, meaning: Meaning, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> np.ndarray:
    """Return the inputs of some rows, (B, C) float32; raises ValueError for text where a number belongs."""
    input_BC = np.empty((len(rows), len(meaning.inputs)), dtype=np.float32)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(table.columns)
    for place, (name, categories) in enumerate(zip(meaning.inputs, meaning.categories, strict=True)):
        values = columns[table.position(name, key="data.inputs")]
        if categories is None:
            input_BC[:, place] = _numbers(table, name, values, lines)
        else:
            code = {category: number for number, category in enumerate(categories)}
            input_BC[:, place] = [code.get(label(value.strip()), -1) for value in values]
    return input_BC


@lru_cache(maxsize=2)  # the check before compute and the run ask for the same
def _arrays(table: Sheet, meaning: Meaning, state: tuple[int, int]) -> Arrays:
    inputs, targets = _Grown((len(meaning.inputs),), np.float32), _Grown(_shape(meaning), _kind(meaning))
    groups, splits = list[int](), list[str]()
    numbers: dict[str, int] = {}
    for rows, lines in chunks(table):
        inputs.add(read_inputs(table, meaning, rows, lines))
        columns = list(zip(*rows, strict=True))
        targets.add(_targets(table, meaning, columns, lines))
        if meaning.group:
            names = _filled(table, meaning.group, columns, lines, key="data.group")
            groups += [numbers.setdefault(name, len(numbers)) for name in names]
        if meaning.split:
            splits += _splits(table, meaning.split, columns, lines)
    group_N = torch.tensor(groups) if meaning.group else None
    return Arrays(inputs.tensor(), targets.tensor(), group_N, splits if meaning.split else None)


def _shape(meaning: Meaning) -> tuple[int, ...]:
    return () if len(meaning.targets) == 1 else (len(meaning.targets),)


def _kind(meaning: Meaning) -> Any:
    return np.float32 if meaning.labels is None else np.int64


def _targets(table: Sheet, meaning: Meaning, columns: Sequence[Sequence[str]], lines: Sequence[int]) -> np.ndarray:
    found = []
    for name in meaning.targets:
        values = _filled(table, name, columns, lines, key="data.target")
        found.append(_numbers(table, name, values, lines) if meaning.labels is None else _codes(meaning, values))
    return found[0] if len(found) == 1 else np.stack(found, axis=1)


def _codes(meaning: Meaning, values: Sequence[str]) -> np.ndarray:
    code = {name: number for number, name in enumerate(meaning.labels or ())}
    unknown = next((value for value in values if label(value) not in code), None)
    if unknown is not None:
        raise ValueError(
            f"data.labels={list(code)}: column {meaning.targets[0]} also holds {label(unknown)!r}: add it there"
        )
    return np.array([code[label(value)] for value in values], dtype=np.int64)


def _filled(table: Sheet, name: str, columns: Sequence[Sequence[str]], lines: Sequence[int], *, key: str) -> list[str]:
    """Return a column in which nothing is missing."""
    values = [value.strip() for value in columns[table.position(name, key=key)]]
    for value, line in zip(values, lines, strict=True):
        if is_missing(value):
            raise ValueError(
                f"{readable(table.path)}, line {line}: {key}={name} is empty: fill it in, or remove the row"
            )
    return values


def _splits(table: Sheet, name: str, columns: Sequence[Sequence[str]], lines: Sequence[int]) -> list[str]:
    found = []
    for value, line in zip(_filled(table, name, columns, lines, key="data.split_column"), lines, strict=True):
        split = split_of(value)
        if split is None:
            raise ValueError(
                f"{readable(table.path)}, line {line}: {name} is {label(value)!r}: train, val or test belongs there"
            )
        found.append(split)
    return found


def _numbers(table: Sheet, name: str, values: Sequence[str], lines: Sequence[int]) -> np.ndarray:
    if (number_N := all_numbers(values)) is not None:
        return number_N
    comma = table.delimiter != ","
    found = np.empty(len(values), dtype=np.float32)
    for place, value in enumerate(values):
        read = np.nan if is_missing(value) else number(value, comma=comma)
        if read is None:
            raise ValueError(
                f"{readable(table.path)}, line {lines[place]}: column {name} holds numbers, and here {label(value)!r}: "
                "correct it"
            )
        found[place] = read
    return found


class _Grown:
    """An array that grows in place, so that no second copy of it stands beside it."""

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.array = np.empty((0, *shape), dtype=dtype)
        self.rows = 0

    def add(self, part: np.ndarray) -> None:
        """Put some rows behind those there are."""
        end = self.rows + len(part)
        if end > len(self.array):
            self.array.resize((max(end, len(self.array) * 5 // 4), *self.array.shape[1:]), refcheck=False)
        self.array[self.rows : end] = part
        self.rows = end

    def tensor(self) -> Tensor:
        """Return the rows."""
        self.array.resize((self.rows, *self.array.shape[1:]), refcheck=False)
        return torch.from_numpy(self.array)
