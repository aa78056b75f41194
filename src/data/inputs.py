"""What a user names, as batches for a net: a split, or image files, a folder of them or a pattern.

Shapes: B batch, C channels, H height, W width.
"""

import glob
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from src.data.load.batches import Batches
from src.data.module import Data
from src.data.read.files import decoded
from src.data.read.formats import missing
from src.data.read.pictures import Pictures
from src.data.read.readable import readable
from src.data.read.text_files import text_files, written

SPLITS = ("val", "test")
LARGEST_BATCH = 256  # images: data.batch_size may be a whole dataset of small ones


class Samples(NamedTuple):
    """Some samples: what each is called, the batch of those that could be read, and why the others could not.

    Names and errors are readable texts, an error None where there is none; `target_B` is None where nobody knows it.
    """

    names: list[str]
    x_B: Tensor
    errors: list[str | None]
    target_B: Tensor | None = None


def samples(data: Data, source: str, *, n: int | None = None) -> Iterator[Samples]:
    """Return the batches of what `source` names: val or test, else a file, a folder or a pattern; `n` at random.

    Raises ValueError where there is nothing of that name. A file that cannot be read is a sample with an error.
    """
    if n is not None and n < 1:
        raise ValueError(f"n={n}: how many, at least 1, or null for all")
    if source in SPLITS:
        return _of_split(data, source, n=n)
    if data.vocabulary is not None:
        return _of_texts(data, source, n=n)
    if len(data.shape) != 3:
        raise ValueError(
            f"input={source}: the net takes rows of a table, data.shape={list(data.shape)}, and no image files: "
            f"give input={' or input='.join(split for split in SPLITS if split in data.splits)}"
        )
    paths = image_files(source)
    return _of_files(data, [paths[row] for row in _some(len(paths), n)])


def image_files(source: str) -> list[Path]:
    """Return the files that `source` names: itself, the images below a folder, or what a pattern matches; sorted.

    Raises ValueError where there is none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        pictures = Pictures()
        pictures.add(source)
        if not pictures.files:
            left = "; ".join(pictures.left_out(source))
            why = f" ({left})" if left else ""
            raise ValueError(f"input={source}: no image in this folder{why}: give another, or a pattern, {source}/*")
        pictures.say(source)
        return [Path(name) for name in pictures.files]
    there = next((folder for folder in path.parents if folder.is_dir()), Path())  # its own brackets are no pattern
    pattern = os.path.join(glob.escape(str(there)), path.relative_to(there))
    found = sorted(Path(name) for name in glob.iglob(pattern, recursive=True) if os.path.isfile(name))
    if not found:
        raise ValueError(f"input={source}: no such file or folder, and no file that it matches as a pattern")
    return found


def _of_split(data: Data, split: str, *, n: int | None) -> Iterator[Samples]:
    if split not in data.splits:
        others = [f"input={other}" for other in SPLITS if other in data.splits]
        others += ["image files"] if len(data.shape) == 3 else []
        raise ValueError(f"input={split}: these data have no {split} split: give {' or '.join(others)}")
    data.setup({"val": "validate", "test": "test"}[split])
    names = data.names(split)
    if not names:
        raise ValueError(f"input={split}: the split has no samples (data.{split}_fraction=0): give another")
    loader: Batches = {"val": data.val_dataloader, "test": data.test_dataloader}[split]()  # type: ignore[assignment]
    rows = _some(len(names), n)
    loader.sampler.indices_N = loader.sampler.indices_N[torch.tensor(rows)]
    done = 0
    for x_B, target_B in loader:
        part = [readable(names[row]) for row in rows[done : done + len(x_B)]]
        yield Samples(part, x_B, [None] * len(part), target_B)
        done += len(part)


def _of_texts(data: Data, source: str, *, n: int | None) -> Iterator[Samples]:
    """Yield text files a batch at a time: the one that `source` names, or those of a folder."""
    place = Path(source)
    if not place.exists():
        raise ValueError(f"input={source}: no such file or folder: give a text file, a folder of some, or a CSV file")
    paths = text_files(place) if place.is_dir() else [place]
    paths = [paths[row] for row in _some(len(paths), n)]
    for start in range(0, len(paths), data.loading.batch_size):
        part = paths[start : start + data.loading.batch_size]
        token_BL = data.tokenizing.hashed(map(written, part))
        yield Samples([readable(str(path)) for path in part], data.normalize(token_BL), [None] * len(part))


def _of_files(data: Data, paths: Sequence[Path]) -> Iterator[Samples]:
    def read(path: Path) -> Tensor | str:
        try:
            return data.preprocess(decoded(path, channels=data.shape[0]))
        except ValueError as error:
            package = missing(path)
            return readable(str(error.__cause__ or error)) + (f": install {package}" if package else "")

    size = min(data.loading.batch_size, LARGEST_BATCH)
    with ThreadPoolExecutor() as pool:  # decoders release Python's lock; a batch at a time bounds the memory
        for start in range(0, len(paths), size):
            part = paths[start : start + size]
            found = list(pool.map(read, part))
            images = [image_1CHW for image_1CHW in found if isinstance(image_1CHW, Tensor)]
            x_BCHW = torch.cat(images) if images else torch.empty(0, *data.shape)
            errors = [None if isinstance(read, Tensor) else read for read in found]
            yield Samples([readable(str(path)) for path in part], x_BCHW, errors)


def _some(count: int, n: int | None) -> list[int]:
    """Return the positions of all, or of `n` at random, other ones at every call, in their order."""
    everything = range(count)
    return list(everything) if n is None or n >= count else sorted(random.SystemRandom().sample(everything, n))
