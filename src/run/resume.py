"""Where an interrupted run goes on: its newest sound checkpoint, and the curves cut back to it."""

import csv
import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from src.config.renamed import FORMAT, run_format
from src.run.checkpoint_io import LAST, PREVIOUS, load
from src.run.write import whole

log = logging.getLogger(__name__)


def refuse_other_formats(folder: Path) -> None:
    """Raise ValueError where an earlier version began the run: training does not go on across formats."""
    if (number := run_format(folder)) < FORMAT:
        raise ValueError(
            f"run={folder}: an earlier version began it (format {number}), and training does not go on across them: "
            f"start anew, from its weights with model.weights={folder}; eval, predict, report and rerun read it"
        )


def newest_checkpoint(folder: Path) -> tuple[Path | None, int, int]:
    """Return the run's last checkpoint, or the one before it where that is damaged, its steps and curves' rows.

    (None, 0, 0) where there is none yet. Raises ValueError where none of those there are can be loaded.
    """
    found = [path for name in (LAST, PREVIOUS) if (path := folder / "checkpoints" / name).exists()]
    for path in found:
        try:
            checkpoint = load(path)
            if "rows" not in checkpoint:
                raise ValueError(f"checkpoint {path} is none to resume from: it does not say how far the curves were")
            return path, checkpoint["global_step"], checkpoint["rows"]
        except ValueError as error:
            log.warning("%s", error)
    if found:
        raise ValueError(f"run={folder}: no checkpoint loads, {', '.join(map(str, found))}: start the run anew")
    return None, 0, 0


def cut_back(folder: Path, rows: int) -> None:
    """Keep the first `rows` rows of metrics.csv: training will write the others again."""
    path = folder / "metrics.csv"
    if not path.exists():
        return
    with path.open(newline="") as file:
        reader = csv.reader(file)
        kept = list(islice(reader, 1 + rows))
    with whole(path) as part, part.open("w", newline="") as file:
        csv.writer(file).writerows(kept)


def is_finished(fields: dict[str, Any], trainer: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether a run with these run.json fields, once `recorded`, has nothing left to do as `trainer` sets it now."""
    if fields["state"] != "done":
        return False
    done = {"max_epochs": fields["epochs"], "max_steps": fields.get("steps") or 0}
    is_reached = any(0 <= length <= done[name] for name, length in _length(trainer).items())
    return is_reached or _length(trainer) == _length(recorded)


def lengthened(fields: dict[str, Any], trainer: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return what run.json is to say of a run that goes on with another length than it had; nothing of another run."""
    old, new = _length(recorded), _length(trainer)
    if old == new:
        return {}
    return {"lengthened": [*fields.get("lengthened", []), {"steps": fields.get("steps"), "from": old, "to": new}]}


def _length(trainer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: trainer[name] for name in ("max_epochs", "max_steps") if trainer.get(name) is not None}
