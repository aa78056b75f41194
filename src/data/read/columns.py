"""What the columns of a CSV file hold: numbers or categories, and what is missing.

Shapes: N values.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from src.data.read.csv_text import Sheet, chunks
from src.data.read.readable import label, readable

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?", "-", "#n/a"))  # in any case
DISTINCT = 1000  # values that are counted; text of more is no category
MOST = 100  # categories of a column: the commonest, to which all others are unknown
MOST_CLASSES = 20  # whole numbers of a target that are classes
STRAY = 0.1  # text in less of a column is a mistake in a column of numbers
SAME = 1  # value in a column that tells nothing


@dataclass
class Column:
    """What a column has been seen to hold."""

    name: str
    numbers: int = 0
    missing: int = 0
    text: tuple[str, int] | None = None  # the first that is no number, and its line
    texts: int = 0
    values: Counter[str] | None = field(default_factory=Counter)  # None: more than are counted

    def add(self, values: Sequence[str], lines: Sequence[int], *, comma: bool) -> None:
        """Take up some rows."""
        if self.values is not None:
            self.values.update(values)
            self.values = self.values if len(self.values) <= DISTINCT else None
        if (number_N := all_numbers(values)) is not None:
            self.numbers += len(number_N)
            return
        for value, line in zip(values, lines, strict=True):
            if is_missing(value):
                self.missing += 1
            elif number(value, comma=comma) is not None:
                self.numbers += 1
            else:
                self.text = self.text or (value, line)
                self.texts += 1

    def check(self, path: str, *, cure: str) -> None:
        """Raise ValueError where some text stands in a column of numbers."""
        if self.text and self.texts < STRAY * (self.texts + self.numbers):
            text, line = self.text
            raise ValueError(
                f"{readable(path)}, line {line}: column {self.name} holds numbers, and here {label(text)!r}: correct "
                f"it, or {cure}"
            )

    def known(self) -> list[str]:
        """Return the distinct values, without missing ones."""
        return [value for value in self.values or () if not is_missing(value)]

    def categories(self) -> list[str]:
        """Return the commonest values, sorted."""
        counts = self.values or Counter()
        common = sorted(self.known(), key=lambda value: (-counts[value], value))[:MOST]
        return sorted({label(value) for value in common})

    def unfit(self) -> str:
        """Return why a net can learn nothing from it; "" where it can."""
        if not self.numbers and not self.texts:
            return "empty"
        if self.values is not None and len(self.values) == SAME:
            return "the same in all rows"
        return f"text of more than {DISTINCT:,} values" if self.texts and self.values is None else ""


def is_missing(text: str) -> bool:
    """Whether a field says that there is nothing."""
    return text.strip().lower() in MISSING


def looked_at(table: Sheet) -> tuple[dict[str, Column], int]:
    """Return what each column with a name holds, and the number of rows."""
    return _looked_at(table, state_of(table))


@lru_cache(maxsize=4)
def _looked_at(table: Sheet, state: tuple[int, int]) -> tuple[dict[str, Column], int]:
    found = {name: Column(name) for name in table.columns if name}
    count, comma = 0, table.delimiter != ","
    for rows, lines in chunks(table):
        count += len(rows)
        for name, values in zip(table.columns, zip(*rows, strict=True), strict=True):
            if name:
                found[name].add([value.strip() for value in values], lines, comma=comma)
    if not count:
        raise ValueError(f"{readable(table.path)} has names of columns and no rows: data.file= has some of each")
    return found, count


def all_numbers(values: Sequence[str]) -> np.ndarray | None:
    """Return values as numbers where all are; NaN and what is too large are none."""
    try:
        with np.errstate(over="ignore"):
            number_N = np.array(list(map(float, values)), dtype=np.float32)
    except ValueError:
        return None
    return number_N if np.isfinite(number_N).all() else None


def number(text: str, *, comma: bool) -> float | None:
    """Return a text as a number, with `comma` also 3,14; None where it is none that float32 can hold."""
    try:
        found = float(text.replace(",", ".") if comma and text.count(",") == 1 else text)
    except ValueError:
        return None
    return found if abs(found) <= float(np.finfo(np.float32).max) else None


def state_of(table: Sheet) -> tuple[int, int]:
    """Return what tells a changed file from itself: its size and the time of its change."""
    stat = Path(table.path).stat()
    return stat.st_size, stat.st_mtime_ns
