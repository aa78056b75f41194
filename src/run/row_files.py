"""Rows as JSON lines and, where every row is of plain values under the same names, as CSV; written as they come."""

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from src.run.cell import cell
from src.run.write import whole

Row = Mapping[str, Any]


class RowFiles:
    """`path`.jsonl and `path`.csv, which get their names when all rows are there: at the end of a `with` block.

    `header` are the columns, those of the first row where it says none.
    """

    def __init__(self, path: Path, header: Sequence[str] | None = None):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.rows = 0
        self._is_plain = True
        self._stacks = ExitStack(), ExitStack()
        self._files = [
            stack.enter_context(stack.enter_context(whole(file)).open("w", newline="", encoding="utf-8"))
            for stack, file in zip(self._stacks, self._paths(), strict=True)
        ]
        self._writer: Any = None
        if header:
            self._start(header)

    def add(self, row: Row, flat: Row | None = None) -> None:
        """Write a row; `flat` is what the CSV gets of it where that is another."""
        self._files[0].write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        self.rows += 1
        cells = row if flat is None else flat
        if self._writer is None:
            self._start(list(cells))
        self._is_plain &= set(cells) <= set(self._writer.fieldnames) and not any(map(_is_nested, cells.values()))
        if self._is_plain:
            self._writer.writerow({name: cell(value) for name, value in cells.items()})

    def files(self) -> str:
        """Return the names of the files that there are."""
        return f"{self.path}.csv, .jsonl" if self._is_plain else f"{self.path}.jsonl"

    def _start(self, header: Sequence[str]) -> None:
        self._writer = csv.DictWriter(self._files[1], header)
        self._writer.writerow({name: cell(name) for name in header})

    def _paths(self) -> list[Path]:
        return [self.path.with_name(f"{self.path.name}.{kind}") for kind in ("jsonl", "csv")]

    def __enter__(self) -> "RowFiles":
        return self

    def __exit__(self, *raised: Any) -> None:
        lines, table = self._stacks
        lines.__exit__(*raised)
        is_whole = raised[0] is None
        dropped = raised if self._is_plain or not is_whole else (_NotPlain, _NotPlain(), None)
        table.__exit__(*dropped)
        if is_whole and not self._is_plain:
            self._paths()[1].unlink(missing_ok=True)  # of an earlier call, whose rows were others


class _NotPlain(Exception):  # noqa: N818  # no error: what the CSV's file ends with
    """A row is no row of a CSV."""


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)
