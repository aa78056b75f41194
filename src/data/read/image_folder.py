"""Image files in class folders: `root/{train,val,test}/<class>/*`, or one tree `root/<class>/*` that is split.

Shapes: N samples, C channels, H height, W width.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.data.dataset import dataset
from src.data.read.files import Files
from src.data.read.folders import class_folders, split_folders
from src.data.read.headers import Headers, headers
from src.data.read.pictures import Pictures

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # what torchvision's weights expect
IMAGENET_GREY = {"mean": [0.449], "std": [0.226]}  # the averages of these
LARGEST = 224  # pixels a side where the images say nothing better


def facts(
    *,
    root: str,
    labels: Sequence[str] | None = None,
    channels: int | None = None,
    official: Sequence[str] | None = None,
    cache: bool = True,
    **settings: Any,
) -> Mapping[str, Any]:
    """Return what a folder says of itself: class names, channels, image size, official splits, and what fits them.

    `image_size` is the side of the images where they are squares of one size, else 224; `mean` and `std` are those
    that torchvision's weights expect. Raises ValueError where the folder holds fewer than two classes, or folders that
    are hardly classes by their names.
    """
    splits = split_folders(Path(root), labels)
    names = class_folders(splits["train"], labels)
    found: dict[str, Any] = {"labels": list(names), "official": list(splits)}
    looked = _looked_at(splits["train"], tuple(names.values()), keeps=cache)
    found["channels"] = channels or (1 if looked.is_grey else 3)
    found["image_size"] = looked.side if 0 < looked.side <= LARGEST else LARGEST
    if channels is None:
        looked.say(splits["train"])
        others = [splits[split] for split in official or splits if split != "train" and split in splits]
        for folder in others if looked.is_grey else ():
            _looked_at(folder, tuple(class_folders(folder, labels).values()), keeps=cache).say(folder, reads_grey=True)
    return found | (IMAGENET_GREY if found["channels"] == 1 else IMAGENET)


@lru_cache(maxsize=8)  # every job of a sweep asks
def _looked_at(folder: Path, names: tuple[str, ...], *, keeps: bool) -> Headers:
    return headers(_pictures(folder, names)[0].files, keeps=keeps)


@dataset(facts=facts, tells=("labels", "channels", "image_size", "official", "mean", "std"))
def image_folder(
    root: str, *, labels: Sequence[str], channels: int = 3, official: Sequence[str] | None = None, split: str
) -> tuple[Files, Tensor]:
    """Return the images of a split and their class numbers (N,), positions in `labels`.

    What is left out of its folders is said in the log. Raises FileNotFoundError where a folder is missing, ValueError
    where a class is missing or has no image.
    """
    if channels not in (1, 3):
        raise ValueError(f"data.channels={channels}: images are read with 1, grey, or 3, red, green and blue")
    folders = split_folders(Path(root), labels)
    if split not in folders:
        raise FileNotFoundError(f"{root} has no folder of the split {split}: add it, or leave it out of data.official")
    for part in folders:  # a class that test lacks, or has no image of, is said before training, not after it
        if part == split or official is None or part in official:
            _check_classes(folders[part], labels)
            if split == "train" != part:
                _labelled(folders[part], labels)
    found, numbers = _labelled(folders[split], labels)
    return Files(found.files, channels=channels), torch.tensor(numbers)


def _labelled(folder: Path, labels: Sequence[str]) -> tuple[Pictures, list[int]]:
    """Return the images of a split's folder, and of each the position of its class in `labels`."""
    names = class_folders(folder, labels)
    return _pictures(folder, [names[label] for label in labels])


def _pictures(folder: Path, names: Sequence[str]) -> tuple[Pictures, list[int]]:
    """Return the images of the classes in a folder, and of each the number of its class; say what is left out.

    Raises ValueError for a class without images.
    """
    found, numbers = Pictures(), list[int]()
    found.add_beside(str(folder))
    for number, name in enumerate(names):
        found.add(str(folder / name))
        if len(found.files) == len(numbers):
            left = found.left_out(str(folder))
            why = f" ({'; '.join(left)})" if left else ""
            raise ValueError(f"{folder / name} holds no image{why}: add some, or remove the folder and the class")
        numbers += [number] * (len(found.files) - len(numbers))
    found.say(str(folder))
    return found, numbers


def _check_classes(folder: Path, labels: Sequence[str]) -> None:
    names = class_folders(folder, labels)
    if absent := [name for name in labels if name not in names]:
        raise ValueError(f"{folder} has no folder of the class {absent[0]}: add it, or leave it out of data.labels")
    if unknown := [name for name in names if name not in labels]:
        raise ValueError(f"{folder} has a folder {unknown[0]}, but data.labels={list(labels)}: add it there")
