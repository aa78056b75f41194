"""The end of a sweep: a table of its jobs, however it ends, and the exit status."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from src.run.folder import shown
from src.view.jobs import begun, rows
from src.view.screen import table


@contextmanager
def reported() -> Iterator[None]:
    """Print the table of the sweep that begins in the block; raise SystemExit at its end where jobs are not done."""
    begun.clear()
    try:
        yield
    finally:
        found = [(sweep.folder, rows(sweep)) for sweep in begun]
        for _, jobs in found:
            table(list(jobs[0]) if jobs else [], (list(row.values()) for row in jobs))
    for folder, jobs in found:
        if message := undone([row["state"] for row in jobs]):
            raise SystemExit(f"error: {shown(folder.absolute())}: {message}")


def undone(states: Sequence[str]) -> str:
    """Return what is left to do, and how, or an empty string: a job that is running has its process."""
    number = Counter(states)
    failed = number["failed"] + number["damaged"]
    left = len(states) - failed - number["done"] - number["pruned"] - number["running"]
    of = f"of {len(states)} jobs"
    parts = [f"{failed} {of} failed: the same command with retry_failed=true runs them again"] if failed else []
    parts += [f"{left} {of} stopped: the same command goes on with them"] if left else []
    return "; ".join(parts)
