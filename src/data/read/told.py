"""What a table tells of samples that are in one of its columns, or are named there: a row each."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from src.data.keep.content import state
from src.data.read.csv_text import chunks, sheet
from src.data.read.folders import split_of
from src.data.read.readable import label, readable


class Told(NamedTuple):
    """Samples, the cells of each column to predict, and of each sample its split, and its line or file."""

    samples: list[str]
    cells: dict[str, list[str]]
    splits: list[str]
    places: list[Any]


def told(file: str, settings: Mapping[str, Any], *, column: str, key: str, target: str) -> Told:
    """Return the rows of a table whose samples stand in `column`, which is set by `key`; `target` is the default.

    Raises ValueError for columns that there are not, a split that is none, and a table without rows.
    """
    names = settings.get("target") or target
    sheet(file, encoding=settings.get("encoding"))  # which says where there is no such file
    named = ((names,) if isinstance(names, str) else tuple(names), settings.get("split_column"))
    return _told(file, column, key, *named, settings.get("encoding"), state([file]))


@lru_cache(maxsize=4)  # of a table as it is now: every split and job asks
def _told(
    file: str,
    column: str,
    key: str,
    names: tuple[str, ...],
    split_column: str | None,
    encoding: str | None,
    state: str,
) -> Told:
    table = sheet(file, encoding=encoding)
    at = table.position(column, key=key)
    columns = {name: table.position(name, key="data.target") for name in names}
    split_at = None if split_column is None else table.position(split_column, key="data.split_column")
    found = Told([], {name: [] for name in names}, [], [])
    for rows, lines in chunks(table):
        for row, line in zip(rows, lines, strict=True):
            found.samples.append(row[at].strip())
            found.splits.append("train" if split_at is None else _split(row[split_at], file, line))
            for name, place in columns.items():
                found.cells[name].append(row[place].strip())
        found.places.extend(lines)
    if not found.samples:
        raise ValueError(f"{readable(file)} has names of columns and no rows: data.file= has some of each")
    return found


def _split(name: str, file: str, line: int) -> str:
    found = split_of(name.strip())
    if found is None:
        raise ValueError(f"{readable(file)}, line {line}: {label(name)!r} is no split: write train, val or test")
    return found
