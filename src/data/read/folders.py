"""Which folders of a dataset are its splits and which its classes: by their names, and refused where these say both."""

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from src.data.read.readable import label, readable

log = logging.getLogger(__name__)

NAMED = 3  # folders or files in a message
SPLITS = ("train", "val", "test")
MEANINGS = dict.fromkeys(("train", "training"), "train")
MEANINGS |= dict.fromkeys(("val", "valid", "validation", "dev"), "val")
MEANINGS |= dict.fromkeys(("test", "testing"), "test")
SET = r"([\W_]*(set|data|dataset|images?|imgs?|pictures?|photos?|split|samples?|files?))?"
SPLIT = re.compile(rf"[\W_]*({'|'.join(MEANINGS)}){SET}[\W_]*", re.ASCII)
LIKE_SPLIT = re.compile(
    rf"[\W_]*({'|'.join(MEANINGS)}|eval|evaluation|holdout|fold|split){SET}[\W_]*(\d+|[ab])?[\W_]*", re.ASCII
)
JUNK = re.compile(r"__macosx|__pycache__|@eadir|[$#]recycle(\.bin)?|lost\+found|system volume information")


def split_folders(root: Path, labels: Sequence[str] | None = None) -> dict[str, Path]:
    """Return the folder of each split that `root` has one for, or `root` itself as train's where it holds the classes.

    Folders that are called as the `labels` are classes, whatever their names. Raises FileNotFoundError without a
    `root`, ValueError where two folders are one split, or where a split stands beside classes.
    """
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root} does not exist: put a folder per class there, "
            f"or set data.root=FOLDER, data_dir=FOLDER or the environment variable DATA_DIR"
        )
    names = subfolders(root)
    if labels and set(labels) <= {label(name) for name in names}:
        return {"train": root}
    splits: dict[str, str] = {}
    for name in names:
        if (split := split_of(name)) is None:
            continue
        if split in splits:
            raise ValueError(f"{root} holds {splits[split]} and {name}, which are one split: remove or rename one")
        splits[split] = name
    if not splits:
        return {"train": root}
    others = [name for name in names if name not in splits.values()]
    _check_beside(root, splits, others)
    if others:
        say_once(f"{readable(str(root))}: the folders {listed(others)} are no split and are left out")
    return {split: root / splits[split] for split in SPLITS if split in splits}


def class_folders(folder: Path, labels: Sequence[str] | None = None) -> dict[str, str]:
    """Return the name of each class's folder by what the class is called, in the order of the folders.

    Raises ValueError for fewer than two, for two that are called the same, and, where no `labels` say which they are,
    for a folder that is hardly a class by its name.
    """
    names = subfolders(folder)
    if labels is None:
        _check_names(folder, names)
    elif junk := [name for name in names if label(name) not in labels and JUNK.fullmatch(name.casefold())]:
        say_once(f"{readable(str(folder))}: {listed(junk)}, left by a program, is no class and left out")
        names = [name for name in names if name not in junk]
    if len(names) < 2:
        raise ValueError(
            f"{folder} holds {f'one class, {readable(names[0])}' if names else 'no class'}: "
            f"put a folder of images per class there, two classes or more, or set data.root={_inner(folder, names)}"
        )
    found: dict[str, str] = {}
    for name in names:
        if label(name) in found:
            raise ValueError(f"{folder} holds two folders that read {label(name)}: rename one")
        found[label(name)] = name
    return found


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder and of links to some, sorted, without hidden ones."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_folder(entry) and not entry.name.startswith("."))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one; a link that leads back to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def split_of(name: str) -> str | None:
    """Return the split that a folder is by its name; None where it is none, or it is not plain which one."""
    found = SPLIT.fullmatch(name.casefold())
    return MEANINGS[found[1]] if found else None


def listed(names: Sequence[str], *, of: int | None = None) -> str:
    """Return some names as one text, with the number of those that have no room; there are `of` in all."""
    more = (of or len(names)) - NAMED
    return ", ".join(map(readable, names[:NAMED])) + (f" and {more:,} more" if more > 0 else "")


@lru_cache(maxsize=64)  # once, not for each split and job
def say_once(text: str) -> None:
    """Say a line of the log, once."""
    log.warning("%s", text)


def _check_beside(root: Path, splits: Mapping[str, str], others: Sequence[str]) -> None:
    """Raise ValueError where it is not plain that the one are splits and the other folders no classes."""
    train = splits.get("train")
    classes = subfolders(root / train) if train else []
    if train and classes and not set(classes) & set(others):
        return
    one = train or next(iter(splits.values()))
    if not others:
        what = f"{one} and no folder of training images" if not train else f"{one}, which holds no folder of a class"
        raise ValueError(f"{root} holds {what}: put a folder per class into {root / 'train'}, or set data.root=FOLDER")
    named = ",".join(map(label, sorted([*others, *splits.values()])[:3]))
    raise ValueError(
        f"{root} holds {readable(one)}, a split by its name, beside {listed(others)}: put the classes into "
        f"{root / 'train'}, or where {readable(one)} is a class say so, data.labels=[{named},...]"
    )


def _check_names(folder: Path, names: Sequence[str]) -> None:
    """Raise ValueError for folders that are no classes by their names."""
    if junk := [name for name in names if JUNK.fullmatch(name.casefold())]:
        raise ValueError(f"{folder / junk[0]} is left by a program and no class: remove it, or set data.labels=[...]")
    like = [name for name in names if LIKE_SPLIT.fullmatch(name.casefold())] or _pairs(names)
    if like:
        raise ValueError(
            f"{folder} holds {listed(like)}, a split by its name and no class: call splits train, val and test, "
            f"or where it is a class name them all, data.labels=[{','.join(map(label, names[:3]))},...]"
        )
    inner = [subfolders(folder / name) for name in names] if len(names) > 1 else []
    for name, inside in zip(names, inner, strict=False):
        splits = {*map(split_of, inside)} - {None}
        if "train" in splits and len(splits) > 1:
            raise ValueError(
                f"{folder / name} holds splits: put classes into splits, such as {folder / 'train' / name}"
            )
    if len(inner) in (2, 3) and len(inner[0]) > 1 and all(inside == inner[0] for inside in inner):
        _refuse_alike(folder, names, inner[0])


def _refuse_alike(folder: Path, names: Sequence[str], inside: Sequence[str]) -> None:
    """Raise ValueError for folders that hold the same folders, as splits do in any language: not below a split."""
    if split_of(folder.name) is None:
        raise ValueError(
            f"{folder} holds {listed(names)}, each with folders {listed(inside)}, as splits hold classes: call splits "
            f"train, val and test, or where {readable(names[0])} is a class say so, "
            f"data.labels=[{','.join(map(label, names))}]"
        )


def _pairs(names: Iterable[str]) -> list[str]:
    """Return the names that differ in the word for a split alone, such as seg_train and seg_test."""
    rests: dict[str, list[str]] = {}
    for name in names:
        words = re.split(r"[\W_]+", name.casefold())
        if any(word in MEANINGS for word in words):
            rests.setdefault(" ".join("" if word in MEANINGS else word for word in words), []).append(name)
    return next((found for found in rests.values() if len(found) > 1), [])


def _inner(folder: Path, names: Sequence[str]) -> str:
    """Return the only folder in a folder where that is what was meant, else a word for any."""
    return str(folder / names[0]) if len(names) == 1 and len(subfolders(folder / names[0])) > 1 else "FOLDER"
