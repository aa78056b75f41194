"""How the runs of a sweep stand, whatever became of them, and which of them is the best."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.run.record import read


def fields(folder: Path) -> dict[str, Any]:
    """Return the run.json of a job; one that is not there, or is damaged, has a `state` that says so."""
    try:
        return read(folder)
    except FileNotFoundError:
        return {"state": "not started"}
    except ValueError:
        return {"state": "damaged"}


def rank(run: Mapping[str, Any], is_larger_better: bool) -> tuple[int, float]:
    """Return what sorts runs: those that are done, best first, then those that were pruned, then the others."""
    value = (run.get("best") or {}).get("value")
    if value is None or not math.isfinite(value):
        return 3, 0.0
    return {"done": 0, "pruned": 1}.get(run["state"], 2), -value if is_larger_better else value
