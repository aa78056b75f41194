"""Where an interrupted run goes on: its newest sound checkpoint, and the curves cut back to it."""

import csv
import logging
from pathlib import Path
from typing import Any

from src.run.checkpoint import LAST, PREVIOUS, load

log = logging.getLogger(__name__)


def newest_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """Return the run's last checkpoint, or the one before it where that is damaged, and its optimizer steps.

    (None, 0) where there is none yet. Raises ValueError where none of those there are can be loaded.
    """
    found = [path for name in (LAST, PREVIOUS) if (path := folder / "checkpoints" / name).exists()]
    for path in found:
        try:
            return path, load(path)["global_step"]
        except ValueError as error:
            log.warning("%s", error)
    if found:
        raise ValueError(f"run={folder}: no checkpoint loads, {', '.join(map(str, found))}: start the run anew")
    return None, 0


def cut_back(folder: Path, step: int) -> None:
    """Drop the rows of metrics.csv that lie after `step`: training will write them again."""
    path = folder / "metrics.csv"
    if not path.exists():
        return
    with path.open(newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        rows = [row for row in reader if len(row) == len(header) and int(row[header.index("step")]) <= step]
    part = path.with_suffix(".part")
    with part.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    part.replace(path)


def is_finished(fields: dict[str, Any], max_epochs: int | None) -> bool:
    """Whether a run with these run.json fields has nothing left to do."""
    return fields["state"] == "done" and max_epochs is not None and fields["epochs"] >= max_epochs
