"""The curves in a run's metrics.csv, with no more points than asked for."""

import csv
from pathlib import Path

from src.plot.score_names import is_score, split_of

Curve = tuple[list[int], list[float]]  # optimizer steps, and a value at each


def curves(folder: Path) -> dict[str, Curve]:
    """Return the curve of each score, one point of val's too; a row that is torn or no number is left out."""
    found: dict[str, Curve] = {}
    try:
        with (folder / "metrics.csv").open(newline="", errors="replace") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error):  # none yet, empty, or no CSV
        return {}
    names = [(column, name) for column, name in enumerate(header) if is_score(name)]
    for row in rows:
        if len(row) != len(header):  # killed while it was written
            continue
        for column, name in names:
            if row[column]:
                _add(found.setdefault(name, ([], [])), row[0], row[column])
    least = {name: 2 if split_of(name) == "test" else 1 for name in found}  # a lone test score is in the table
    return {name: curve for name, curve in found.items() if len(curve[0]) >= least[name]}


def _add(curve: Curve, step: str, value: str) -> None:
    try:
        point = int(float(step)), float(value)
    except ValueError:
        return
    curve[0].append(point[0])
    curve[1].append(point[1])


def thin(curve: Curve, points: int) -> Curve:
    """Return at most `points` (2 or more) of a curve's points, evenly chosen, the first and the last among them."""
    steps, values = curve
    if len(steps) <= points:
        return curve
    chosen = [round(k * (len(steps) - 1) / (points - 1)) for k in range(points)]
    return [steps[k] for k in chosen], [values[k] for k in chosen]
