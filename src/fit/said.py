"""What any model says, written as it comes: rows as JSON lines and CSV; what is no rows as one file of tensors."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from src.fit.output import Row, listed, plain_output, rows_of
from src.run.row_files import RowFiles
from src.run.write import whole

log = logging.getLogger(__name__)


class Said:
    """Writes `path`.csv and .jsonl, a row per sample, or `path`.pt, a list with what is said of each batch.

    The first batch decides. `names` are what to call the samples in their order, numbers where there are none;
    `classes` name the numbers of a prediction; `most` bounds the rows. The files get their names at the end of a `with`
    block. `first` are the `shown` first rows.
    """

    def __init__(
        self,
        path: Path,
        *,
        names: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        most: int | None = None,
        shown: int = 20,
    ):
        self.path = path
        self.names = names
        self.classes = classes
        self.most = most
        self.shown = shown
        self.first: list[Row] = []
        self.samples = 0
        self._files: RowFiles | None = None
        self._outputs: list[Any] = []

    def add(self, output: Any, batch: Any, loader: str = "") -> None:
        """Write what is said of a batch of the loader of that name."""
        output = plain_output(output)
        rows = None if self._outputs else rows_of(output, batch)
        if rows is None and self._files is None:
            self._outputs.append(output)
            return
        for row in rows or [{"prediction": listed(output)}]:  # rows until now: the batch is one
            if not self.is_enough():
                self.write({"loader": loader} | row if loader else row)

    def add_one(self, output: Any, error: str | None) -> None:
        """Write what is said of a batch of one sample, or why that could not be read."""
        rows = None if error else rows_of(plain_output(output), [])
        row = rows[0] if rows and len(rows) == 1 else {} if error else {"prediction": listed(plain_output(output))}
        self.write({**row, "error": error})

    def write(self, row: Row) -> None:
        """Write the row of the next sample."""
        name = {"index": self.samples} if self.names is None else {"path": self.names[self.samples]}
        row = {**name, **row, **self._label(row)}
        self._files = self._files or RowFiles(self.path)
        self._files.add(row)
        self.samples += 1
        if len(self.first) < self.shown:
            self.first.append(row)

    def is_enough(self) -> bool:
        """Whether there are as many rows as are wanted."""
        return self.most is not None and max(self.samples, len(self._outputs)) >= self.most

    def summary(self) -> str:
        """Return in a line what was written where."""
        if self._files:
            return f"{self.samples} samples: {self._files.files()}"
        return f"{len(self._outputs)} batches, which are no rows of scalars or short lists: {self.path}.pt"

    def _label(self, row: Row) -> Row:
        values = row.get("prediction")
        if not self.classes or not isinstance(values, list) or len(values) != len(self.classes):
            return {}
        if not all(isinstance(value, float) for value in values):
            return {}
        return {"label": self.classes[max(range(len(values)), key=values.__getitem__)]}

    def __enter__(self) -> "Said":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if self._files:
            self._files.__exit__(kind, *error)
        elif kind is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole(self.path.with_name(f"{self.path.name}.pt")) as part:
                torch.save(self._outputs, part)
