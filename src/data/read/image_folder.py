"""Image files in class folders: `root/{train,val,test}/<class>/*`, or one tree `root/<class>/*` that is split.

Shapes: N samples, C channels, H height, W width.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from src.data.dataset import dataset
from src.data.read.files import Files

SPLITS = ("train", "val", "test")
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # what torchvision's weights expect
IMAGENET_GREY = {"mean": [0.449], "std": [0.226]}  # the averages of these
LARGEST = 224  # pixels a side where the images say nothing better
LOOKED_AT = 100  # files whose headers tell the size and the mode of all


def facts(
    *,
    root: str,
    labels: Sequence[str] | None = None,
    channels: int | None = None,
    image_size: int | None = None,
    official: Sequence[str] | None = None,
    **settings: Any,
) -> Mapping[str, Any]:
    """Return what a folder says of itself: class names, channels, image size, official splits, and what fits them.

    `image_size` is the side of the images where they are squares of one size, else 224; `mean` and `std` are those
    that torchvision's weights expect. Raises ValueError where the folder holds fewer than two classes.
    """
    top = Path(root)
    trained = _folder(top, "train")
    found: dict[str, Any] = {"labels": _class_names(trained)}
    sizes, greys = _looked_at(trained, tuple(found["labels"]))
    found["channels"] = channels or (1 if greys else 3)
    found["image_size"] = next(iter(sizes)) if len(sizes) == 1 and max(sizes) <= LARGEST else LARGEST
    found["official"] = [split for split in SPLITS if split == "train" or (_is_tree(top) and (top / split).is_dir())]
    return found | (IMAGENET_GREY if found["channels"] == 1 else IMAGENET)


@dataset(facts=facts, tells=("labels", "channels", "image_size", "official", "mean", "std"))
def image_folder(root: str, *, labels: Sequence[str], channels: int = 3, split: str) -> tuple[Files, Tensor]:
    """Return the images of a split and their class numbers (N,), positions in `labels`.

    Raises FileNotFoundError where the folder is missing, ValueError where a class is missing or has no image.
    """
    top = Path(root)
    folder = _folder(top, split)
    for part in SPLITS if _is_tree(top) else (split,):  # a class that test lacks is said before training, not after it
        if part == split or (top / part).is_dir():
            _check_classes(_folder(top, part), labels)
    found = [_images(folder / name) for name in labels]
    numbers = [number for number, paths in enumerate(found) for _ in paths]
    return Files([path for paths in found for path in paths], channels=channels), torch.tensor(numbers)


def _check_classes(folder: Path, labels: Sequence[str]) -> None:
    names = _class_names(folder)
    if absent := [name for name in labels if name not in names]:
        raise ValueError(f"{folder} has no folder of the class {absent[0]}: add it, or leave it out of data.labels")
    if unknown := [name for name in names if name not in labels]:
        raise ValueError(f"{folder} has a folder {unknown[0]}, but data.labels={list(labels)}: add it there")


def _is_tree(root: Path) -> bool:
    """Whether `root` has a folder per split, not one per class."""
    return (root / "train").is_dir()


def _folder(root: Path, split: str) -> Path:
    folder = root / split if _is_tree(root) else root
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} does not exist: put a folder per class there, "
            f"or set data.root=FOLDER, data_dir=FOLDER or the environment variable DATA_DIR"
        )
    return folder


def _class_names(folder: Path) -> list[str]:
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise ValueError(
            f"{folder} holds {f'one class, {names[0]}' if names else 'no class'}: "
            f"put a folder of images per class there, two classes or more, or set data.root=FOLDER"
        )
    return names


def _images(folder: Path) -> list[str]:
    """Return the images below a folder, sorted as Paths are; a fifth of the time that Path.rglob takes."""
    found = list(_below(str(folder), frozenset(Image.registered_extensions())))
    if not found:
        raise ValueError(f"{folder} holds no image: add some, or remove the folder and the class")
    return found


def _below(folder: str, extensions: frozenset[str]) -> Iterator[str]:
    """Yield the files of these extensions in a folder and in its folders, which a link is not, each in its place."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _below(entry.path, extensions)
        elif os.path.splitext(entry.name)[1].lower() in extensions:
            yield entry.path


@lru_cache(maxsize=8)  # every job of a sweep asks
def _looked_at(folder: Path, names: tuple[str, ...]) -> tuple[Counter[int], bool]:
    """Return how often each side length occurs, and whether all are grey; of some files, evenly chosen, by headers."""
    paths = [path for name in names for path in _images(folder / name)]
    sides: Counter[int] = Counter()
    modes = set()
    for path in paths[:: max(1, len(paths) // LOOKED_AT)]:
        try:
            with Image.open(path) as image:
                sides.update(image.size)
                modes.add(image.mode)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # named when it is decoded
            continue
    return sides, bool(modes) and modes <= {"1", "L", "LA", "I", "I;16"}
