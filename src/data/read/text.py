"""Texts in a column of a CSV file, or in a file each in a folder per class, and what is to be told of them.

Shapes: N texts, L tokens, K labels or numbers.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from src.data.dataset import dataset
from src.data.keep.content import state
from src.data.read.csv_text import chunks, sheet
from src.data.read.folders import SPLITS, class_folders, listed, say_once, split_folders, split_of
from src.data.read.label_cells import check_labels, meaning, scaling, targets, training
from src.data.read.readable import label, readable
from src.data.read.text_files import text_files, written
from src.data.read.tokens import hashed, tokens

TELLS = ("task", "labels", "separator", "official", "target_mean", "target_std")


class Told(NamedTuple):
    """Texts, the cells of each column to predict, the split and the place, a line or a file, of each."""

    texts: list[str]
    cells: dict[str, list[str]]
    splits: list[str]
    places: list[Any]


def facts(**settings: Any) -> Mapping[str, Any]:
    """Return what texts say of themselves: the task, labels and what stands between several, splits.

    Raises ValueError for an empty text, and for a label that no training text has.
    """
    told, name = _told(settings), readable(settings.get("file") or settings["root"])
    found = meaning(told.cells, task=settings.get("task"), separator=settings.get("separator"))
    found |= {"labels": settings["labels"]} if settings.get("labels") else {}
    found["official"] = [split for split in SPLITS if split in told.splits]
    if "train" not in found["official"]:
        raise ValueError(f"data.split_column={settings['split_column']}: no row of {name} is train")
    target_N, train_M = _targets(told, found, name), training(told.splits, settings | found)
    if found["labels"] is not None:
        check_labels(target_N, train_M, found["labels"], settings, file=name)
    found |= scaling(target_N[train_M]) if found["task"] == "regression" else {"target_mean": None, "target_std": None}
    unit, length = settings.get("unit") or "word", settings["length"]
    long = sum(len(tokens(text, unit)) > length for text in told.texts)
    cut = f"; {long:,} are longer than data.length={length} {unit}s and are cut" if long else ""
    say_once(f"{name}: {len(told.texts):,} texts, data.task={found['task']}{cut}")
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
    told = _told(settings | {"split_column": split_column, "encoding": encoding})
    found = {"task": task, "labels": labels, "separator": separator}
    chosen = [row for row, name in enumerate(told.splits) if name == split]
    target_N = _targets(told, found, readable(file or root or ""))
    return hashed((told.texts[row] for row in chosen), unit=unit, length=length), target_N[chosen]


def _targets(told: Told, found: Mapping[str, Any], file: str) -> Tensor:
    named: dict[str, Any] = {"labels": found["labels"] or (), "separator": found["separator"] or ""}
    return targets(told.cells, told.places, task=found["task"], file=file, **named)


def _told(settings: Mapping[str, Any]) -> Told:
    file, root = settings.get("file"), settings.get("root")
    if (file is None) == (root is None):
        both = "data.file and data.root are both set" if file else "neither data.file nor data.root is set"
        raise ValueError(f"{both}: set data.file=FILE.csv, or data.root=FOLDER with a folder of texts per class")
    if file is None:
        return _of_folder(str(root), tuple(settings.get("labels") or ()), settings.get("encoding"))
    target = settings.get("target") or "label"
    names = (target,) if isinstance(target, str) else tuple(target)
    sheet(file, encoding=settings.get("encoding"))  # which says where there is no such file
    more = (settings.get("split_column"), settings.get("encoding"), state([file]))
    return _of_table(file, settings.get("text") or "text", names, *more)


@lru_cache(maxsize=2)  # of a table as it is now: every split and job asks
def _of_table(
    file: str, text: str, names: tuple[str, ...], split_column: str | None, encoding: str | None, state: str
) -> Told:
    table = sheet(file, encoding=encoding)
    at = table.position(text, key="data.text")
    columns = {name: table.position(name, key="data.target") for name in names}
    split_at = None if split_column is None else table.position(split_column, key="data.split_column")
    told = Told([], {name: [] for name in names}, [], [])
    for rows, lines in chunks(table):
        for row, line in zip(rows, lines, strict=True):
            told.texts.append(row[at])
            told.splits.append("train" if split_at is None else _split(row[split_at], file, line))
            for name, place in columns.items():
                told.cells[name].append(row[place].strip())
        told.places.extend(lines)
    if not told.texts:
        raise ValueError(f"{readable(file)} has names of columns and no rows: data.file= has some of each")
    empty = [str(line) for row, line in zip(told.texts, told.places, strict=True) if not row.strip()]
    if empty:
        raise ValueError(
            f"{readable(file)}: {len(empty):,} texts are empty, in line {listed(empty)}: fill them in, or remove them"
        )
    return told


def _of_folder(root: str, labels: tuple[str, ...], encoding: str | None) -> Told:
    told = Told([], {"class": []}, [], [])
    for split, folder in split_folders(Path(root), labels or None).items():
        for name, below in class_folders(folder, labels or None).items():
            for path in text_files(folder / below):
                told.texts.append(written(path, encoding=encoding))
                told.cells["class"].append(name)
                told.splits.append(split)
                told.places.append(readable(str(path)))
    empty = [place for row, place in zip(told.texts, told.places, strict=True) if not row.strip()]
    if empty:
        raise ValueError(f"{len(empty):,} texts are empty: {listed(empty)}: fill them in, or remove the files")
    return told


def _split(name: str, file: str, line: int) -> str:
    found = split_of(name.strip())
    if found is None:
        raise ValueError(f"{readable(file)}, line {line}: {label(name)!r} is no split: write train, val or test")
    return found
