"""Texts in a column of a CSV file, or in a file each in a folder per class, and what is to be told of them.

Shapes: N texts, L tokens, K labels or numbers.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from src.data.dataset import dataset
from src.data.keep.content import state
from src.data.read.folders import SPLITS, class_folders, listed, say_once, split_folders
from src.data.read.label_cells import check_labels, meaning, scaling, targets, training
from src.data.read.readable import readable
from src.data.read.text_files import text_files, written
from src.data.read.tokens import hashed, tokens
from src.data.read.told import Told, told

TELLS = ("task", "labels", "separator", "official", "target_mean", "target_std")


def facts(**settings: Any) -> Mapping[str, Any]:
    """Return what texts say of themselves: the task, labels and what stands between several, splits.

    Raises ValueError for an empty text, and for a label that no training text has.
    """
    rows, name = _read(settings), readable(settings.get("file") or settings["root"])
    found = meaning(rows.cells, task=settings.get("task"), separator=settings.get("separator"))
    found |= {"labels": settings["labels"]} if settings.get("labels") else {}
    found["official"] = [split for split in SPLITS if split in rows.splits]
    if "train" not in found["official"]:
        raise ValueError(f"data.split_column={settings['split_column']}: no row of {name} is train")
    target_N, train_M = _targets(rows, found, name), training(rows.splits, settings | found)
    if found["labels"] is not None:
        check_labels(target_N, train_M, found["labels"], settings, file=name)
    found |= scaling(target_N[train_M]) if found["task"] == "regression" else {"target_mean": None, "target_std": None}
    unit, length = settings.get("unit") or "word", settings["length"]
    long = sum(len(tokens(text, unit)) > length for text in rows.samples)
    cut = f"; {long:,} are longer than data.length={length} {unit}s and are cut" if long else ""
    say_once(f"{name}: {len(rows.samples):,} texts, data.task={found['task']}{cut}")
    return found


@dataset(facts=facts, tells=TELLS)
def text(
    file: str | None = None,
    *,
    task: str,
    labels: Sequence[str] | None,
    separator: str = "",
    text: str = "text",
    target: str | Sequence[str] = "label",
    root: str | None = None,
    split_column: str | None = None,
    encoding: str | None = None,
    unit: str = "word",
    length: int = 64,
    split: str,
) -> tuple[Tensor, Tensor]:
    """Return the tokens of each text of a split (N, L), as hashes, and class numbers (N,), labels (N, K) or numbers.

    `text` and `target` name columns of `file`; without one, each file below `root` is a text, of its folder's class.
    """
    settings = {"file": file, "root": root, "text": text, "target": target, "labels": labels}
    rows = _read(settings | {"split_column": split_column, "encoding": encoding})
    found = {"task": task, "labels": labels, "separator": separator}
    chosen = [row for row, name in enumerate(rows.splits) if name == split]
    target_N = _targets(rows, found, readable(file or root or ""))
    return hashed((rows.samples[row] for row in chosen), unit=unit, length=length), target_N[chosen]


def _targets(rows: Told, found: Mapping[str, Any], file: str) -> Tensor:
    named: dict[str, Any] = {"labels": found["labels"] or (), "separator": found["separator"] or ""}
    return targets(rows.cells, rows.places, task=found["task"], file=file, **named)


def _read(settings: Mapping[str, Any]) -> Told:
    file, root = settings.get("file"), settings.get("root")
    if (file is None) == (root is None):
        both = "data.file and data.root are both set" if file else "neither data.file nor data.root is set"
        raise ValueError(f"{both}: set data.file=FILE.csv, or data.root=FOLDER with a folder of texts per class")
    if file is None:
        return _of_folder(str(root), tuple(settings.get("labels") or ()), settings.get("encoding"))
    found = told(file, settings, column=settings.get("text") or "text", key="data.text", target="label")
    empty = [str(line) for text, line in zip(found.samples, found.places, strict=True) if not text]
    if empty:
        raise ValueError(
            f"{readable(file)}: {len(empty):,} texts are empty, in line {listed(empty)}: fill them in, or remove them"
        )
    return found


def _of_folder(root: str, labels: tuple[str, ...], encoding: str | None) -> Told:
    files = tuple(
        (split, name, str(path))
        for split, folder in split_folders(Path(root), labels or None).items()
        for name, below in class_folders(folder, labels or None).items()
        for path in text_files(folder / below)
    )
    return _of_files(files, encoding, state([path for _, _, path in files]))


@lru_cache(maxsize=2)  # of files as they are now: every split and job asks
def _of_files(files: tuple[tuple[str, str, str], ...], encoding: str | None, state: str) -> Told:
    splits, classes, paths = map(list, zip(*files, strict=True))
    texts = [written(Path(path), encoding=encoding) for path in paths]
    if empty := [path for text, path in zip(texts, paths, strict=True) if not text.strip()]:
        raise ValueError(f"{len(empty):,} texts are empty: {listed(empty)}: fill them in, or remove the files")
    return Told(texts, {"class": classes}, splits, paths)
