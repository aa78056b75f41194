"""The run folder's place: claimed so that no two runs share one, and found again."""

import json
import secrets
import shlex
from datetime import datetime
from pathlib import Path

OUTPUTS = Path("outputs")


def claim(root: Path = OUTPUTS) -> Path:
    """Return a folder `root/<date>/<time>-<4 hex digits>` that this call alone made.

    Safe against any number of others at once.
    """
    now = datetime.now()
    day = root / f"{now:%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    while True:
        folder = day / f"{now:%H-%M-%S}-{secrets.token_hex(2)}"
        try:
            folder.mkdir()  # exclusive: raises where it exists
        except FileExistsError:
            continue
        return folder


def shown(folder: Path) -> Path:
    """Return `folder` as one would type it: relative where it lies below the current folder."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def unused(folder: Path) -> Path:
    """Return `folder`; raises ValueError where it holds a run already."""
    if (folder / "run.json").exists():
        raise ValueError(f"hydra.run.dir={folder} holds a run already: {shlex.quote(f'run={folder}')} goes on with it")
    return folder


def find(name: str, root: Path = OUTPUTS) -> Path:
    """Return the run folder called `name`, a path, or `last` for the one that started last under `root`.

    Raises ValueError where there is no such run folder.
    """
    if name == "last":
        started = {path.parent: _started(path) for path in root.rglob("run.json")}
        if not started:
            raise ValueError(f"run=last: no run under {root.absolute()}: train one with python -m src.train")
        return max(started, key=lambda folder: started[folder])
    folder = Path(name)
    if not (folder / "run.json").is_file() or not (folder / ".hydra" / "config.yaml").is_file():
        near = "it has no run.json and .hydra/config.yaml" if folder.is_dir() else "there is no such folder"
        raise ValueError(f"run={name}: not a run folder, {near}: give a folder that src.train made, or run=last")
    return folder


def checkpoints(folder: Path, choice: str) -> list[Path]:
    """Return the checkpoints that `choice` stands for: best, last, all of the folder's, or a path."""
    kept = folder / "checkpoints"
    found = sorted(kept.glob("*.ckpt"))
    if choice in ("best", "last", "all") and not found:
        raise ValueError(
            f"checkpoint={choice}: no checkpoint in {kept}: the run kept none, or has not finished an epoch: "
            f"python -m src.train {shlex.quote(f'run={folder}')} goes on with it"
        )
    if choice in ("best", "last"):
        return [kept / f"{choice}.ckpt"]
    if choice == "all":
        return found
    if not Path(choice).is_file():
        names = ", ".join(path.stem for path in found) or "none"
        raise ValueError(f"checkpoint={choice}: no such file: give best, last, all or a path ({kept} has {names})")
    return [Path(choice)]


def checkpoint(folder: Path, choice: str) -> Path:
    """Return the one checkpoint that `choice` stands for: best, last, or a path."""
    if choice == "all":
        raise ValueError("checkpoint=all: one at a time here: give best, last or a path")
    return checkpoints(folder, choice)[0]


def _started(path: Path) -> float:
    try:
        return datetime.fromisoformat(json.loads(path.read_text())["started"]).timestamp()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # a torn record must not hide the others
        return 0.0
