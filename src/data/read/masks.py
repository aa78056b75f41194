"""Photographs with a mask for each: `root/images/*` and `root/masks/*`, or these below train, val and test.

Shapes: N samples, C channels, H height, W width.
"""

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from src.data.dataset import dataset
from src.data.keep.content import remembered
from src.data.read.files import Files
from src.data.read.folders import SPLITS, listed, say_once, split_of, subfolders
from src.data.read.formats import extensions
from src.data.read.headers import headers
from src.data.read.image_folder import IMAGENET, IMAGENET_GREY, LARGEST
from src.data.read.mask_files import MaskFiles, Value, codes_of
from src.data.read.pictures import Pictures
from src.data.read.readable import label, readable
from src.task.segmentation import IGNORED

ENDINGS = re.compile(r"[_\-. ]?(masks?|labels?|gt|seg|segmentation|annotation)$", re.IGNORECASE)  # of a mask's name
MOST = 255  # classes
COLOURED = 1 << 24  # in a code: it is a colour
FOUND = re.compile(r"\d+( \d+)*")


class Pairs(NamedTuple):
    """The images of a split, and the mask of each."""

    images: tuple[str, ...]
    masks: tuple[str, ...]


def facts(
    *,
    root: str,
    images: str = "images",
    masks: str = "masks",
    labels: Sequence[str] | None = None,
    values: Sequence[Value] | None = None,
    ignore: Value | None = None,
    channels: int | None = None,
    cache: bool = True,
    **settings: Any,
) -> Mapping[str, Any]:
    """Return what the folders say of themselves: the values of classes and their names, splits, channels, image size.

    Raises ValueError for an image without a mask, for two of other sizes, and for values that are no classes.
    """
    found = _folders(Path(root), images, masks)
    pairs = {split: _pairs(*folders) for split, folders in found.items()}
    for split in pairs:
        _check_sizes(pairs[split], root)
    seen = {split: _codes(pairs[split].masks, keeps=cache) for split in pairs}
    if values is None:
        values, ignore = _values(seen["train"], root, ignore)
    names = list(labels) if labels is not None else _names(values)
    if len(names) != len(values):
        raise ValueError(f"data.labels={names}: name each of {len(values)} classes, data.values={list(values)}")
    _check_values(seen, pairs, values, ignore)
    looked = headers(pairs["train"].images, keeps=cache)
    count = channels or (1 if looked.is_grey else 3)
    size = looked.side if 0 < looked.side <= LARGEST else LARGEST
    told = {"labels": names, "values": list(values), "ignore": ignore, "official": list(found), "channels": count}
    return told | {"image_size": size} | (IMAGENET_GREY if count == 1 else IMAGENET)


@dataset(facts=facts, tells=("labels", "values", "official", "channels", "image_size", "mean", "std"))
def masks(
    root: str,
    *,
    labels: Sequence[str],
    values: Sequence[Value],
    ignore: Value | None = None,
    images: str = "images",
    masks: str = "masks",
    channels: int = 3,
    split: str,
) -> tuple[Files, Tensor]:
    """Return the images of a split, the class of each pixel as their last channel, and the sizes of the masks' files.

    `images` and `masks` name the folders, in which files of one name belong together. `values` are the grey values,
    places in a palette or colours of the `labels`; pixels of the value `ignore` do not count.
    """
    if channels not in (1, 3):
        raise ValueError(f"data.channels={channels}: images are read with 1, grey, or 3, red, green and blue")
    folders = _folders(Path(root), images, masks)
    if split not in folders:
        raise FileNotFoundError(f"{root} has no folder of the split {split}: add it, or leave it out of data.official")
    pairs = _pairs(*folders[split])
    found = MaskFiles(pairs.masks, values=values, ignore=ignore)
    sizes_N = torch.tensor([os.stat(path).st_size for path in pairs.masks])  # which tell a changed one
    return Files(pairs.images, channels=channels, is_told=True, masks=found), sizes_N


def _folders(root: Path, images: str, masks: str) -> dict[str, tuple[str, str]]:
    """Return the folders of images and masks of each split."""
    if not root.is_dir():
        raise FileNotFoundError(f"data.root={root}: there is no such folder: put {images}/ and {masks}/ there")
    if (root / images).is_dir() and (root / masks).is_dir():
        inner = subfolders(root / images)
        named = {split_of(name): name for name in inner}
        if inner and None not in named:
            found = {
                split: (str(root / images / name), str(root / masks / name)) for split, name in named.items() if split
            }
        else:
            found = {"train": (str(root / images), str(root / masks))}
    else:
        splits = {split_of(name): root / name for name in subfolders(root)}
        found = {
            split: (str(at / images), str(at / masks))
            for split, at in splits.items()
            if split and (at / images).is_dir()
        }
    if "train" not in found:
        raise ValueError(
            f"data.root={root}: no folders {images} and {masks} there, nor below train: name yours, data.images=... "
            "data.masks=..."
        )
    for place in (folder for folders in found.values() for folder in folders):
        if not Path(place).is_dir():
            raise FileNotFoundError(f"{place} does not exist: put a mask for each image there")
    return {split: found[split] for split in SPLITS if split in found}


@lru_cache(maxsize=8)  # every split and job asks
def _pairs(images: str, masks: str) -> Pairs:
    """Return the images of a folder in order, each with the mask of its name."""
    of_images, of_masks = _by_name(images, is_mask=False), _by_name(masks, is_mask=True)
    lost = [name for name in of_images if name not in of_masks]
    if lost or not of_images:
        count = f"{len(lost):,} of {len(of_images):,} images" if of_images else "no image there, and"
        what = f"have no mask in {readable(masks)}: {listed(lost)}" if of_images else f"masks in {readable(masks)}"
        raise ValueError(f"{readable(images)}: {count} {what}: a mask is called as its image is, but for the extension")
    if left := [name for name in of_masks if name not in of_images]:
        say_once(f"{readable(masks)}: {len(left):,} masks of no image are left out: {listed(left)}")
    return Pairs(tuple(of_images.values()), tuple(of_masks[name] for name in of_images))


def _by_name(folder: str, *, is_mask: bool) -> dict[str, str]:
    found, names = Pictures(), dict[str, str]()
    found.add(folder)
    found.say(folder)
    for path in found.files:
        name = os.path.splitext(os.path.relpath(path, folder))[0]
        name = ENDINGS.sub("", name) or name if is_mask else name
        if name in names:
            raise ValueError(f"{readable(names[name])} and {readable(path)} have one name: rename or remove one")
        names[name] = path
    return names


@lru_cache(maxsize=8)
def _check_sizes(pairs: Pairs, root: str) -> None:
    """Raise ValueError where an image and its mask differ in size, by their headers."""
    with ThreadPoolExecutor() as pool:
        both = zip(pool.map(_size, pairs.images), pool.map(_size, pairs.masks), pairs.images, pairs.masks, strict=True)
        others = [pair for pair in both if pair[0] and pair[1] and sorted(pair[0]) != sorted(pair[1])]
    if others:
        (W, H), (w, h), image, mask = others[0]  # type: ignore[misc]
        one, other = (readable(os.path.relpath(path, root)) for path in (image, mask))
        raise ValueError(
            f"{one} is {W} x {H} pixels, and its mask {other} {w} x {h} ({len(others):,} of {len(pairs.images):,} "
            "differ): save both at one size"
        )


def _size(path: str) -> tuple[int, int] | None:
    extensions()  # lets Pillow know of all formats
    try:
        with Image.open(path) as image:
            return image.size
    except Exception:  # named when it is decoded
        return None


@lru_cache(maxsize=8)
def _codes(paths: tuple[str, ...], *, keeps: bool) -> tuple[int, ...]:
    """Return the codes of all pixels of some masks, sorted."""

    def look() -> str:
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda path: np.unique(codes_of(path)), paths)
            return " ".join(map(str, sorted({int(code) for codes in found for code in codes})))

    text = remembered(paths, look, kind="headers", pattern=FOUND) if keeps else look()
    return tuple(map(int, text.split()))


def _values(codes: Sequence[int], root: str, ignore: Value | None) -> tuple[list[Value], Value | None]:
    """Return the values that are classes by what the training masks hold, and the one that is of no class.

    Grey values are numbers from the lowest to the highest where most of these are there, 255 beside others is of no
    class.
    """
    if len(codes) > MOST + 1:
        raise ValueError(
            f"data.root={root}: the masks hold {len(codes):,} values, and {MOST} classes can be: save them as PNG "
            "where they are JPEG, whose edges blur, or name the values of the classes, data.values=[...]"
        )
    if codes[-1] >= COLOURED:
        grey = {code | code << 8 | code << 16 for code in codes if code < COLOURED}
        colours = sorted(grey | {code - COLOURED for code in codes if code >= COLOURED})
        return [
            [code >> 16, code >> 8 & 255, code & 255]
            for code in colours
            if [code >> 16, code >> 8 & 255, code & 255] != ignore
        ], ignore
    if ignore is None and IGNORED in codes and len(codes) > 2:
        ignore = IGNORED
    numbers = [code for code in codes if code != ignore]
    if len(numbers) < 2:
        raise ValueError(
            f"data.root={root}: every pixel of every training mask has one value: there is nothing to learn"
        )
    every = list(range(numbers[0], numbers[-1] + 1))
    return (every if len(every) <= 2 * len(numbers) else numbers), ignore  # type: ignore[return-value]


def _names(values: Sequence[Value]) -> list[str]:
    if len(values) == 2 and values[0] == 0:
        return ["background", "object"]
    return [
        label("#{:02x}{:02x}{:02x}".format(*value) if isinstance(value, Sequence) else str(value)) for value in values
    ]


def _check_values(
    seen: Mapping[str, Sequence[int]], pairs: Mapping[str, Pairs], values: Sequence[Value], ignore: Value | None
) -> None:
    """Raise ValueError where a mask has a value that is of no class; reading it says which."""
    known = MaskFiles([], values=values, ignore=ignore)
    codes = {*known.codes.tolist(), known.ignored}
    for split, found in seen.items():
        if known.in_colour:
            found = [code - COLOURED if code >= COLOURED else code | code << 8 | code << 16 for code in found]
        if not {*found} <= codes:
            files = MaskFiles(pairs[split].masks, values=values, ignore=ignore)
            for row in range(len(files)):
                files[row]
