r"""`predictions/*.csv`: what a net said of every sample, beside what is true; written as it comes, read without torch.

Of classes: `index,target,label,P(<class>),...`, where the label is what the net gives; where a sample may have several:
`index,targets,labels,P(<label>),...` with both sets as texts (src.run.label_sets); of numbers:
`index,target,prediction`, of several `target(<name>)` and `prediction(<name>)` each. `index` is the sample's place in
its official split. Image files have a `path` behind the index, a number that is all of its sample an `input`. A name
that a spreadsheet would take for a formula (`=1+1`) has an apostrophe before it (src.run.cell), and a byte that is no
text stands as `\xe9`.

Shapes: N samples, K classes or numbers.
"""

import csv
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from src.run.cell import cell, text
from src.run.label_sets import parted
from src.run.write import whole


@dataclass(frozen=True)
class Predictions:
    """The rows of one file as columns.

    Of classes, `target` and `prediction` (N,) are their numbers; of sets of labels (N, K) which are in them; of numbers
    they are numbers, of several (N, K) with their names in `numbers`, and `classes` is empty.
    `extra` has other columns as text, `text` what the net gives to each class, K columns of N.
    """

    index: np.ndarray
    target: np.ndarray
    prediction: np.ndarray
    classes: list[str]
    extra: dict[str, list[str]]
    text: list[Sequence[str]]
    numbers: tuple[str, ...] = ()

    @property
    def has_sets(self) -> bool:
        """Whether a sample may have several labels."""
        return bool(self.classes) and self.target.ndim == 2

    @cached_property
    def probability(self) -> np.ndarray:
        """What the net gives to each class (N, K), which takes as long to make of text as all the rest to read."""
        return np.array(self.text, dtype=float).reshape(len(self.classes), len(self.index)).T

    def chosen(self, row: int) -> float:
        """Return what the net gives to the class that it predicts for one row."""
        return float(self.text[self.prediction[row]][row])


def read(path: Path) -> Predictions:
    """Return the rows of a file; raises ValueError where it is no such file or a row is torn."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header, *body = rows
    numbers = tuple(text(name)[len("target(") : -1] for name in header if name.startswith("target("))
    wanted = {"index", *([] if numbers else ["targets" if "targets" in header else "target"])}
    if any(len(row) != len(header) for row in body) or not wanted <= set(header):
        raise ValueError(f"{path} is damaged: it is not what a run writes")
    column = dict(zip(header, zip(*body, strict=True) if body else [()] * len(header), strict=True))
    classes = [name[2:-1] for name in header if name.startswith("P(")]
    extra: dict[str, list[str]] = {
        name: [text(value) for value in column[name]] for name in ("path", "input") if name in column
    }
    index_N = np.array(column["index"], dtype=int)
    if numbers:
        both = ([column[f"{kind}({name})"] for name in numbers] for kind in ("target", "prediction"))
        target_NK, prediction_NK = (np.array(part, dtype=float).reshape(len(numbers), -1).T for part in both)
        return Predictions(index_N, target_NK, prediction_NK, [], extra, [], numbers)
    if not classes:
        target_N, prediction_N = (np.array(column[name], dtype=float) for name in ("target", "prediction"))
        return Predictions(index_N, target_N, prediction_N, [], extra, [])
    number = {name: place for place, name in enumerate(classes)}
    if "targets" in column:
        target_NK, label_NK = (_sets(column[name], classes) for name in ("targets", "labels"))
        return Predictions(index_N, target_NK, label_NK, classes, extra, [column[f"P({name})"] for name in classes])
    target_N, label_N = (
        np.array([number[text(value)] for value in column[name]], dtype=int) for name in ("target", "label")
    )
    given: list[Sequence[str]] = [column[f"P({name})"] for name in classes]
    return Predictions(index_N, target_N, label_N, classes, extra, given)


def _sets(texts: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return which labels are in each set, (N, K)."""
    found_NK = np.zeros((len(texts), len(classes)), dtype=bool)
    for row, written in enumerate(texts):
        found_NK[row, parted(text(written), classes)] = True
    return found_NK


class _Discarded(Exception):  # noqa: N818  # no error: it ends the block in which the file is written
    pass


class Table:
    """A CSV file that gets its name only when it is whole; one that was there stays until then.

    A `with` block closes it, or leaves nothing of it where the block raises.
    """

    def __init__(self, path: Path, header: Sequence[str]):
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            part = opened.enter_context(whole(path))
            self.writer = csv.writer(opened.enter_context(part.open("w", newline="", encoding="utf-8")))
            self.writer.writerow(header)
            self._opened = opened.pop_all()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows; floats are exact."""
        self.writer.writerows([cell(value) for value in row] for row in rows)

    def close(self) -> None:
        """Give the file its name."""
        self._opened.close()

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(_Discarded), self._opened:
            raise _Discarded

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)
