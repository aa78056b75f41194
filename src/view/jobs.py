"""The jobs of the sweep that this command runs, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.run.hold import state
from src.run.standing import fields, rank

begun: list["Sweep"] = []  # the sweep that this command runs, once it is known


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
    """Say which jobs the command shows at its end."""
    begun[:] = [sweep]


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
