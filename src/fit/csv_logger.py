"""`metrics.csv`: one row per logged point, one column per score."""

import csv
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from src.run.write import whole


class CSV(Logger):
    """Appends to `folder/metrics.csv` as points come.

    A column that first appears later gets its place by rewriting the file.

    Columns: `step` (optimizer steps done), `epoch` (from 0), then the scores in the order of their first appearance.
    """

    def __init__(self, folder: str):
        super().__init__()
        self.path = Path(folder) / "metrics.csv"
        self.columns = ["step", "epoch"]
        self.rows = len(self._read())

    @property
    def name(self) -> str:
        """The logger's name."""
        return "csv"

    @property
    def version(self) -> str:
        """No version: the run folder is unique already."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write one row; it is on disk when this returns."""
        new = [name for name in metrics if name not in self.columns]
        if new or not self.path.exists():
            self._add_columns(new)
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow({"step": step, **metrics})
        self.rows += 1

    @rank_zero_only
    def log_hyperparams(self, params: object, *args: object, **kwargs: object) -> None:
        """Nothing: `.hydra/config.yaml` holds them."""

    def _add_columns(self, new: list[str]) -> None:
        rows = self._read()
        self.columns += [name for name in new if name not in self.columns]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole(self.path) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)

    def _read(self) -> list[dict[str, str]]:
        """Return the rows of the file, and take over its columns."""
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            reader = csv.DictReader(file)
            self.columns = list(reader.fieldnames or self.columns)
            return list(reader)
