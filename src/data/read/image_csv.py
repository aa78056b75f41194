"""Image files that a table names, with a class, several labels or numbers for each.

Shapes: N samples, K labels or numbers.
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from src.data.dataset import dataset
from src.data.read.files import Files
from src.data.read.folders import SPLITS, listed, say_once
from src.data.read.headers import Headers, headers
from src.data.read.image_folder import IMAGENET, IMAGENET_GREY, LARGEST
from src.data.read.label_cells import check_labels, meaning, scaling, targets, training
from src.data.read.readable import readable
from src.data.read.told import Told, told

TELLS = ("task", "separator", "channels", "image_size", "official", "mean", "std")  # and labels, or a target's mean


def facts(*, file: str, cache: bool = True, **settings: Any) -> Mapping[str, Any]:
    """Return what a table says of itself: the task, labels, what stands between several; channels and size of images.

    Raises ValueError for files that are missing or named twice, and for a label that no training image has.
    """
    rows = _listed(file, settings)
    found = meaning(rows.cells, task=settings.get("task"), separator=settings.get("separator"))
    found |= {name: settings[name] for name in ("labels",) if settings.get(name) is not None}
    looked = _looked_at(tuple(rows.samples), keeps=cache)
    found["channels"] = settings.get("channels") or (1 if looked.is_grey else 3)
    found["image_size"] = looked.side if 0 < looked.side <= LARGEST else LARGEST
    found["official"] = [split for split in SPLITS if split in rows.splits]
    if "train" not in found["official"]:
        raise ValueError(f"data.split_column={settings['split_column']}: no row of {readable(file)} is train")
    target_N = _targets(file, rows, found)
    train_M = training(rows.splits, settings | found)
    if found["labels"] is not None:
        check_labels(target_N, train_M, found["labels"], settings, file=readable(file))
    found |= scaling(target_N[train_M]) if found["task"] == "regression" else {"target_mean": None, "target_std": None}
    other = {"regression": " (data.task=multiclass takes numbers for classes)"}.get(found["task"], "")
    of = f", separated by {found['separator']!r}" if found["separator"] else ""
    say_once(f"{readable(file)}: {len(rows.samples):,} images, data.task={found['task']}{other}{of}")
    return found | (IMAGENET_GREY if found["channels"] == 1 else IMAGENET)


@lru_cache(maxsize=8)  # every job of a sweep asks
def _looked_at(paths: tuple[str, ...], *, keeps: bool) -> Headers:
    return headers(paths, keeps=keeps)


@dataset(facts=facts, tells=TELLS)
def image_csv(
    file: str,
    *,
    task: str,
    labels: Sequence[str] | None,
    separator: str = "",
    root: str | None = None,
    path: str = "path",
    target: str | Sequence[str] = "labels",
    suffix: str = "",
    split_column: str | None = None,
    encoding: str | None = None,
    channels: int = 3,
    split: str,
) -> tuple[Files, Tensor]:
    """Return the images of a split and their class numbers (N,), labels (N, K) or numbers, in the order of the table.

    `path` and `target` name columns; several targets are labels, a column of 0 and 1 each, or numbers. Files lie below
    `root`, by default the folder of the table, and `suffix` is what the table leaves out of their names.
    """
    if channels not in (1, 3):
        raise ValueError(f"data.channels={channels}: images are read with 1, grey, or 3, red, green and blue")
    places = {"root": root, "path": path, "target": target, "suffix": suffix}
    rows = _listed(file, places | {"split_column": split_column, "encoding": encoding})
    target_N = _targets(file, rows, {"task": task, "labels": labels, "separator": separator})
    chosen = [row for row, name in enumerate(rows.splits) if name == split]
    return Files([rows.samples[row] for row in chosen], channels=channels, is_told=True), target_N[chosen]


def _targets(file: str, rows: Told, found: Mapping[str, Any]) -> Tensor:
    labels, separator = found["labels"] or (), found["separator"] or ""
    name = readable(file)
    return targets(rows.cells, rows.places, task=found["task"], labels=labels, separator=separator, file=name)


def _listed(file: str, settings: Mapping[str, Any]) -> Told:
    """Return the rows of a table; raises ValueError for columns that there are not, missing files and double ones."""
    found = told(file, settings, column=settings.get("path") or "path", key="data.path", target="labels")
    folder = Path(file).parent if settings.get("root") is None else Path(settings["root"])
    suffix = settings.get("suffix") or ""
    paths = [_place(folder, name, suffix, file, line) for name, line in zip(found.samples, found.places, strict=True)]
    _check_files(paths, found.places, folder, readable(file))
    return found._replace(samples=paths)


def _place(folder: Path, name: str, suffix: str, file: str, line: int) -> str:
    if not name:
        raise ValueError(f"{readable(file)}, line {line}: no image is named: fill it in, or remove the line")
    place = os.path.normpath(folder / f"{name}{suffix}")
    turned = os.path.normpath(folder / f"{name}{suffix}".replace("\\", "/"))  # as Windows writes a folder
    return place if place == turned or os.path.exists(place) else turned


def _check_files(paths: Sequence[str], lines: Sequence[int], folder: Path, file: str) -> None:
    """Raise ValueError where an image is named twice, or is not there."""
    first: dict[str, int] = {}
    for path, line in zip(paths, lines, strict=True):
        if path in first:
            raise ValueError(
                f"{file}: lines {first[path]} and {line} name the same image, {readable(path)}: remove one"
            )
        first[path] = line
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        names = [os.path.relpath(path, folder) for path in missing]
        cure = _cure(missing, folder)
        raise ValueError(
            f"{file}: {len(missing):,} of {len(paths):,} images are not in {readable(str(folder))}: "
            f"{listed(names)}: {cure}"
        )


def _cure(missing: Sequence[str], folder: Path) -> str:
    """Return what to do: name the suffix or the folder where the first missing image lies."""
    path = Path(missing[0])
    beside = sorted(path.parent.glob(f"{path.name}.*")) if path.parent.is_dir() else []
    if beside:
        return f"set data.suffix={beside[0].name.removeprefix(path.name)}"
    found = next((place for place in folder.glob(f"*/{path.name}")), None) if folder.is_dir() else None
    return f"set data.root={found.parent if found else 'FOLDER'}"
