"""A run again from its record: whether it gives the same numbers and weights, and what else is not the same."""

import csv
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.hash import relevant
from src.config.renamed import renamed
from src.run.record import host, read, versions

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

CHECKPOINTS = ("best.ckpt", "last.ckpt")
ARGUMENTS = "arguments.json"
PAPER = ("config_hash", "git", "versions", "host", "data_fingerprint")  # what a result may depend on


def rerunnable(folder: Path) -> dict[str, Any]:
    """Return the record of a run that can be compared with.

    Raises ValueError where it is torn, or the run is not over.
    """
    record = read(folder)
    if record.get("state") != "done":
        raise ValueError(f"rerun={folder}: its state is {record.get('state')}, so there is no result to repeat")
    types = {"model": str, "data": str, "overrides": list, "metrics": dict, "host": dict, "versions": dict}
    torn = [key for key, kind in types.items() if not isinstance(record.get(key), kind)]
    if torn:
        raise ValueError(f"{folder / 'run.json'} is torn: it has no {', '.join(torn)}")
    return record


def prepare(folder: Path) -> dict[str, Any]:
    """Use as many threads as the run did, as their number changes bits; warn of other versions; return its record.

    Raises ValueError where there is something in the folder that could not be compared at the end.
    """
    import torch

    record = rerunnable(folder)
    compare(folder, folder)
    threads = record["host"].get("threads")
    if isinstance(threads, int) and 1 <= threads <= 1024:
        torch.set_num_threads(threads)
    here: dict[str, Any] = {"versions": versions(), "host": host()}
    for line in differences({key: record[key] for key in here}, here):
        log.warning("rerun=%s: %s", folder, line)
    for line in lengths(folder):
        log.warning("rerun=%s: %s", folder, line)
    return record


def lengths(folder: Path) -> list[str]:
    """Return a line for each time that a run was made longer: no run of one length need have its curve."""
    changes = read(folder).get("lengthened") or []
    return [
        f"it was made longer after step {change.get('steps')} ({change.get('from')}, then {change.get('to')}): its "
        "curve is that of two schedules, which no single run has unless the rates are the same for any length"
        for change in changes
        if isinstance(change, dict)
    ]


def compare(old: Path, new: Path) -> list[str]:
    """Return a line for each difference between two runs: their numbers and weights first; none where all are equal."""
    return [*results(old, new), *differences(_paper(old), _paper(new))]


def results(old: Path, new: Path) -> list[str]:
    """Return a line for each score, each curve and each checkpoint that is not equal bit for bit."""
    return [*_scores(old, new), *_curves(old, new), *_weights(old, new)]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield `key: old, now new` for the leaves in which two records are not equal."""
    for key in dict.fromkeys([*old, *new]):
        name, one, other = f"{path}{key}", old.get(key), new.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differences(one, other, f"{name}.")
        elif one != other:
            yield f"{name}: {one}, now {other}"


def _paper(folder: Path) -> dict[str, Any]:
    record, path = read(folder), folder / ARGUMENTS
    try:
        arguments = relevant(renamed(json.loads(path.read_text()))) if path.exists() else {}
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return {"arguments": arguments, **{key: record.get(key) for key in PAPER}}


def _scores(old: Path, new: Path) -> Iterator[str]:
    one, other = read(old)["metrics"], read(new)["metrics"]
    for name in dict.fromkeys([*one, *other]):
        if name not in one or name not in other:
            yield f"{name} is in one run only"
        elif _distance(one[name], other[name]):
            yield f"{name} differs by {_distance(one[name], other[name]):.3g}: {one[name]}, now {other[name]}"


def _curves(old: Path, new: Path) -> Iterator[str]:
    """Compare metrics.csv row by row; columns of wall-clock time have `seconds` in their name."""
    one, other = (_rows(folder / "metrics.csv") for folder in (old, new))
    if len(one) != len(other):
        yield f"metrics.csv: {len(one)} rows, now {len(other)}"
    columns = dict.fromkeys(column for row in (*one[:1], *other[:1]) for column in row if "seconds" not in column)
    for column in columns:
        far = [_distance(a.get(column), b.get(column)) for a, b in zip(one, other, strict=False)]
        if any(far):
            rows = sum(value > 0 for value in far)
            yield f"metrics.csv: {column} differs by up to {max(far):.3g} (in {rows} of {len(far)} rows)"


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _distance(one: Any, other: Any) -> float:
    """Return how far apart two numbers are, infinity where one of them is none or NaN, 0 where they are equal."""
    if one == other:
        return 0.0
    try:
        a, b = float(one), float(other)
    except (TypeError, ValueError):
        return float("inf")
    return 0.0 if a == b or (a != a and b != b) else abs(a - b) if a == a and b == b else float("inf")


def _weights(old: Path, new: Path) -> Iterator[str]:
    from src.run.checkpoint_io import load

    for name in CHECKPOINTS:
        paths = [folder / "checkpoints" / name for folder in (old, new)]
        there = [path.exists() for path in paths]
        if not any(there):
            continue
        if not all(there):
            yield f"{name} is in one run only"
            continue
        one, other = (load(path)["state_dict"] for path in paths)
        if one.keys() != other.keys() or any(one[key].shape != other[key].shape for key in one):
            yield f"{name} is of another net"
            continue
        far = [far for key in one if (far := _apart(one[key], other[key]))]
        if far:
            yield f"{name} differs by up to {max(far):.3g} (in {len(far)} of {len(one)} tensors)"


def _apart(one: "Tensor", other: "Tensor") -> float:
    """Return the largest difference of two tensors of one shape, 0 where they are equal bit for bit, or both NaN."""
    if one.equal(other):
        return 0.0
    far = (one.double() - other.double()).abs()
    far[(one == other) | (one.isnan() & other.isnan())] = 0
    return far.nan_to_num(nan=float("inf")).max().item()
