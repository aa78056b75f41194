"""Runs that differ in their seeds only, as one row: mean, sample standard deviation and number; the best row first."""

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from src.view.gather import NAMES, Run

OPTIONAL = ("seed", "data.fold")  # folded where they are there
MISSING = object()  # of a setting that a run does not have; None is a value
STANDING = {"done": 0, "running": 1, "interrupted": 1, "pruned": 1, "failed": 2}  # of rows; DAMAGED and unknown: last


@dataclass(frozen=True)
class Score:
    """The mean of n values, and their sample standard deviation where there are two and more."""

    mean: float
    std: float | None
    n: int


@dataclass
class Row:
    """Runs that are one but for what is folded; `done` are those that count, one for each value of what is folded."""

    runs: list[Run]
    done: list[Run]

    @property
    def monitor(self) -> tuple[str, str]:
        """The metric that these runs are best in, and its mode."""
        return (self.done or self.runs)[0].monitor

    def score(self, name: str) -> Score | None:
        """Return a score over the runs that are done and have it, None where there is none."""
        return score([run.scores[name] for run in self.done if name in run.scores])

    def setting(self, path: str) -> Any:
        """Return what the runs are set to, MISSING where they have no such setting."""
        return next((value for run in self.runs if (value := setting(run, path)) is not MISSING), MISSING)

    @property
    def state(self) -> str:
        """The state of the runs, or how many are in which."""
        counts = Counter(run.state for run in self.runs)
        counts["repeated"] = counts["done"] - len(self.done)
        counts["done"] = len(self.done)
        present = {state: count for state, count in counts.items() if count}
        return ", ".join(f"{present[state]} {state}" if len(present) > 1 else state for state in sorted(present))

    @property
    def standing(self) -> int:
        """Where the row stands among others: 0 where a run of it is done, more the less its runs came to."""
        return min(STANDING.get(run.state, max(STANDING.values()) + 1) for run in self.runs)


def score(values: Sequence[float]) -> Score | None:
    """Return mean and sample standard deviation (n - 1) of numbers; one that is not finite makes both so."""
    n = len(values)
    if not n:
        return None
    mean = sum(values) / n
    return Score(mean, math.sqrt(sum((x - mean) * (x - mean) for x in values) / (n - 1)) if n > 1 else None, n)


def fold(runs: Sequence[Run], keys: Collection[str]) -> list[Row]:
    """Return a row for each group of runs that differ in `keys` only, best first.

    What is done comes before what is unfinished, then what failed, then what is damaged; among each, the monitor that
    is commonest where there is a score. Raises ValueError for a key that no run has.
    """
    _check(runs, keys)
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        kept = tuple((path, str(value)) for path, value in sorted(run.settings.items()) if path not in keys)
        groups.setdefault(kept or run.name, []).append(run)
    rows = [Row(group, _counted(group, keys)) for group in groups.values()]
    common = Counter(row.monitor for row in _voters(rows))
    monitors = sorted({row.monitor for row in rows}, key=lambda monitor: (-common[monitor], not monitor[0], monitor))
    return sorted(rows, key=lambda row: (row.standing, monitors.index(row.monitor), *_rank(row)))


def _voters(rows: Sequence[Row]) -> list[Row]:
    """The rows whose monitor counts: those with a score in it, or without any those that came furthest."""
    scored = [row for row in rows if row.monitor[0] and row.score(f"best {row.monitor[0]}")]
    furthest = min((row.standing for row in rows), default=0)
    return scored or [row for row in rows if row.standing == furthest]


def _check(runs: Sequence[Run], keys: Collection[str]) -> None:
    known = {path for run in runs for path in run.settings}
    for key in keys:
        if known and key not in known and key not in OPTIONAL:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "python -m src.train --cfg job shows the keys"
            raise ValueError(f"fold=[{','.join(keys)}]: no run has the key {key!r}: {hint}")


def _counted(group: Iterable[Run], keys: Collection[str]) -> list[Run]:
    """The runs that are done; of those with the same seed, which are no samples of their own, the one begun last."""
    done = sorted((run for run in group if run.state == "done"), key=lambda run: run.started)
    last = {tuple(str(run.settings.get(key)) for key in sorted(keys)): run for run in done}
    return sorted(last.values(), key=lambda run: run.name)


def _rank(row: Row) -> tuple[int, float, str]:
    metric, mode = row.monitor
    found = row.score(f"best {metric}")
    if found is None or not math.isfinite(found.mean):
        return 2 if found is None else 1, 0.0, row.runs[0].name
    return 0, -found.mean if mode == "max" else found.mean, row.runs[0].name


def differing(runs: Sequence[Run], keys: Collection[str]) -> list[str]:
    """Return the settings, but for `keys`, in which the runs differ; without those that follow from others of them.

    A setting follows from the choice of its group, or of an experiment, where each choice comes with one value of
    it: model.net.width from model. One that a command named is there in any case. Model and data, where all agree.
    """
    whole = [run for run in runs if run.settings and run.names] or runs
    paths = dict.fromkeys([*NAMES, *(path for run in whole for path in run.settings)])
    columns = [path for path in paths if path not in keys and len({str(setting(run, path)) for run in whole}) > 1]
    overridden = frozenset().union(*(run.overridden for run in whole))
    shown = [
        path
        for path in columns
        if path in NAMES or path in overridden or not any(_follows(path, by, whole) for by in _above(path, columns))
    ]
    return shown or ["model", "data"]


def setting(run: Run, path: str) -> Any:
    """Return what a run is set to, a group by the name it was chosen by; MISSING where it has no such setting."""
    return run.names.get(path, MISSING) if path in NAMES else run.settings.get(path, MISSING)


def _above(path: str, columns: Sequence[str]) -> list[str]:
    return [column for column in columns if column == "experiment" or path.startswith(f"{column}.")]


def _follows(path: str, by: str, runs: Sequence[Run]) -> bool:
    pairs = {(str(setting(run, by)), str(setting(run, path))) for run in runs}
    return len(pairs) == len({choice for choice, _ in pairs})
