"""The runs under a folder, whatever state they are in: what cannot be read is a run that says why."""

import math
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.config.direction import direction
from src.run.hold import state
from src.run.record import read
from src.view.differences import Settings, printable, settings

NAMES = ("experiment", "model", "data")  # chosen by name, each of which stands for many settings
DAMAGED = "damaged"  # the state of a run whose record cannot be read
LONGEST = 200  # characters of an error; run.json and train.log have it whole


@dataclass
class Run:
    """One run folder, read."""

    folder: Path
    name: str  # the folder as seen from where the report was asked for
    state: str  # running, done, failed, interrupted or damaged
    error: str = ""
    settings: Settings = field(default_factory=dict)
    overridden: frozenset[str] = frozenset()  # the keys that its command named
    names: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    monitor: tuple[str, str] = ("", "min")  # metric and mode
    scores: dict[str, float] = field(default_factory=dict)  # `best split/metric` and `split/metric`
    seconds: float | None = None
    parameters: float | None = None
    started: str = ""


def gather(root: Path, *, tags: Collection[str] = ()) -> list[Run]:
    """Return the runs in `root` and below that have all of `tags`, in the order of their names.

    Raises ValueError where there is none.
    """
    if not root.is_dir():
        raise ValueError(f"run={root}: there is no such folder: give a run, a sweep, outputs, or run=last")
    runs = [_run(folder, root) for folder in folders(root)]
    if not runs:
        raise ValueError(f"run={root}: no run in it: give a folder that src.train made, or one that holds such folders")
    tagged = [run for run in runs if set(tags) <= set(run.tags)]
    if not tagged:
        known = sorted({tag for run in runs for tag in run.tags})
        raise ValueError(
            f"tags=[{','.join(tags)}]: no run under {root} has them: choose from {', '.join(known) or 'none'}"
        )
    return sorted(tagged, key=lambda run: run.name)


def folders(root: Path) -> Iterator[Path]:
    """Yield the run folders in `root` and below: those with a run.json or a config that Hydra recorded."""
    for folder, below, files in os.walk(root):
        if "run.json" in files or (".hydra" in below and os.path.exists(f"{folder}/.hydra/config.yaml")):
            below.clear()  # nothing in a run folder is a run
            yield Path(folder)
        below[:] = [name for name in below if not name.startswith(".")]


def _run(folder: Path, root: Path) -> Run:
    name = printable(folder.resolve().name if folder == root else folder.relative_to(root))
    fields, config, errors = {}, {}, []
    try:
        fields = read(folder)
    except FileNotFoundError:
        errors.append("no run.json: it ended before it began")
    except (ValueError, OSError, RecursionError) as error:
        errors.append(f"run.json cannot be read: {_reason(error, folder)}")
    try:
        config = settings((folder / ".hydra" / "config.yaml").read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        errors.append(f".hydra/config.yaml cannot be read: {_reason(error, folder)}")
    run = _from_fields(Run(folder, name, DAMAGED, settings=config), fields)
    if errors:
        run.state, run.error = DAMAGED, _short("; ".join(errors))
    return run


def _from_fields(run: Run, fields: Mapping[str, Any]) -> Run:
    """Fill in what run.json says; the file may be a stranger's, so that no field need be what it should."""
    best, error = _mapping(fields.get("best")), _mapping(fields.get("error"))
    overrides = [printable(item) for item in _list(fields.get("overrides"))]
    chosen = dict(override.split("=", 1) for override in overrides if "=" in override) | dict(fields)
    metric = printable(best.get("metric") or run.settings.get("monitor") or "")
    values = {f"best {metric}": best.get("value"), **_mapping(fields.get("metrics"))}
    run.state = state(run.folder, printable(fields.get("state", DAMAGED)))
    run.error = _short(f"{error.get('type')}: {error.get('message')}") if error else ""
    run.overridden = frozenset(override.partition("=")[0].lstrip("+~") for override in overrides)
    run.names = {name: printable(chosen[name]) for name in NAMES if name in chosen}
    run.tags = tuple(printable(tag) for tag in _list(fields.get("tags")))
    run.monitor = (metric, printable(best.get("mode") or run.settings.get("mode") or direction(metric) or "min"))
    run.scores = {printable(name): number for name, value in values.items() if (number := _number(value)) is not None}
    run.seconds = _number(fields.get("seconds"))
    run.parameters = _number(_mapping(fields.get("parameters")).get("total"))
    run.started = printable(fields.get("started", ""))
    return run


def _reason(error: Exception, folder: Path) -> str:
    """An error without the way to the folder, which differs with where one stands."""
    return str(error).replace(f"{folder}{os.sep}", "").removeprefix("run.json is damaged: ")


def _short(error: str) -> str:
    return printable(error if len(error) <= LONGEST else f"{error[: LONGEST - 1]}…")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer beyond every float
        return math.inf
