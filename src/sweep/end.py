"""The end of a sweep: a table of its jobs, however it ends, and the exit status."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.run.folder import shown
from src.run.hold import state
from src.run.record import read
from src.view.screen import table

_sweeps: list["Sweep"] = []  # the one that this command runs, once it is known


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder and its jobs: the folder of each and its overrides.

    None where only the sweeper knows: then every run in the folder is one of its jobs. Of a search, which has a `mode`,
    the best job comes first.
    """

    folder: Path
    jobs: list[tuple[Path, list[str]]] | None
    mode: str | None = None


def begin(sweep: Sweep) -> None:
    """Say which jobs `reported` is to report."""
    _sweeps[:] = [sweep]


@contextmanager
def reported() -> Iterator[None]:
    """Print the table of the sweep that begins in the block; raise SystemExit at its end where jobs are not done."""
    _sweeps.clear()
    try:
        yield
    finally:
        found = [(sweep.folder, rows(sweep)) for sweep in _sweeps]
        for _, jobs in found:
            table(list(jobs[0]) if jobs else [], (list(row.values()) for row in jobs))
    for folder, jobs in found:
        if message := undone([row["state"] for row in jobs]):
            raise SystemExit(f"error: {shown(folder.absolute())}: {message}")


def rows(sweep: Sweep) -> list[dict[str, str]]:
    """Return a row for each job: overrides (those that not all have), state, metric, time, folder."""
    jobs = sweep.jobs
    if jobs is None:
        folders = sorted(path.parent for path in sweep.folder.rglob("run.json"))
        jobs = [(folder, fields(folder).get("overrides", [])) for folder in folders]
    if sweep.mode:
        jobs = sorted(jobs, key=lambda job: rank(fields(job[0]), sweep.mode == "max"))
    common = set.intersection(*(set(overrides) for _, overrides in jobs)) if len(jobs) > 1 else set()
    return [_row(folder, [override for override in overrides if override not in common]) for folder, overrides in jobs]


def ended(folder: Path) -> str:
    """Say in one line how a job ended: state, metric, time."""
    row = _row(folder, ())
    return "  ".join(row[column] for column in ("state", "metric", "time"))


def rank(run: Mapping[str, Any], is_larger_better: bool) -> tuple[int, float]:
    """Return what sorts runs: those that are done, best first, then those that were pruned, then the others."""
    value = (run.get("best") or {}).get("value")
    if value is None or not math.isfinite(value):
        return 3, 0.0
    return {"done": 0, "pruned": 1}.get(run["state"], 2), -value if is_larger_better else value


def _row(folder: Path, overrides: Sequence[str]) -> dict[str, str]:
    run = fields(folder)
    best, seconds = run.get("best") or {}, run.get("seconds")
    return {
        "job": named(overrides),
        "state": state(folder, run["state"]),
        "metric": f"{best['metric']} {best['value']:.4f}" if best.get("value") is not None else "",
        "time": "" if seconds is None else f"{seconds:.1f} s",
        "folder": folder.name,
    }


def named(overrides: Sequence[str]) -> str:
    """The overrides that say what a job is, as one would type them."""
    others = ("hydra.", "hydra/", "sweep=", "retry_failed=", "fail_fast=")
    return " ".join(override for override in overrides if not override.startswith(others))


def fields(folder: Path) -> dict[str, Any]:
    """Return the run.json of a job; one that is not there, or is damaged, has a `state` that says so."""
    try:
        return read(folder)
    except FileNotFoundError:
        return {"state": "not started"}
    except ValueError:
        return {"state": "damaged"}


def undone(states: Sequence[str]) -> str:
    """Return what is left to do, and how, or an empty string: a job that is running has its process."""
    number = Counter(states)
    failed = number["failed"] + number["damaged"]
    left = len(states) - failed - number["done"] - number["pruned"] - number["running"]
    of = f"of {len(states)} jobs"
    parts = [f"{failed} {of} failed: the same command with retry_failed=true runs them again"] if failed else []
    parts += [f"{left} {of} stopped: the same command goes on with them"] if left else []
    return "; ".join(parts)
