"""What the headers of image files say of size and colour, without a pixel decoded; kept by the cache.

A header is of one file, and the answer of all: a colour image among a thousand grey ones is one.
"""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from src.data.keep.content import remembered
from src.data.read.folders import NAMED, listed, say_once
from src.data.read.formats import extensions
from src.data.read.readable import readable

GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")  # modes of Pillow


class Headers(NamedTuple):
    """The side of the images where they are squares of one size, else 0; how many are grey and how many in colour.

    `coloured` are the first of these.
    """

    side: int
    grey: int
    colour: int
    coloured: list[str]

    @property
    def is_grey(self) -> bool:
        """Whether there are images and all of them are grey."""
        return self.grey > 0 and not self.colour

    def say(self, folder: Path, *, reads_grey: bool = False) -> None:
        """Say in one line of the log which images are in colour: all where the net `reads_grey`, else the rare ones."""
        if not self.colour or (self.colour >= self.grey and not reads_grey):
            return
        names = listed([os.path.relpath(path, folder) for path in self.coloured], of=self.colour)
        grey = "and are read as grey, as train's are (data.channels=3 for colour)"
        so = grey if reads_grey else "so that all are read in colour (data.channels=1 for grey)"
        count = f"{self.colour:,} of {self.grey + self.colour:,} images are in colour"
        say_once(f"{readable(str(folder))}: {count}, {so}: {names}")


def headers(paths: Sequence[str], *, keeps: bool) -> Headers:
    """Return what the headers of all files say; `keeps` whether the cache may keep it for unchanged files.

    Files that are no images say nothing.
    """
    pattern = re.compile(r"\d+ \d+ \d+( \d+)*")
    try:
        text = remembered(paths, lambda: _read(paths), kind="headers", pattern=pattern) if keeps else _read(paths)
    except OSError:  # a link to nothing, which is named when it is decoded
        text = _read(paths)
    side, grey, colour, *rows = map(int, text.split())
    return Headers(side, grey, colour, [paths[row] for row in rows])


def _read(paths: Sequence[str]) -> str:
    """Return as numbers in a line: the side, how many are grey and in colour, and the places of the first in colour."""
    with ThreadPoolExecutor() as pool:
        found = [(row, *seen) for row, seen in enumerate(pool.map(_header, paths)) if seen]
    sides = {side for _, size, _ in found for side in size}
    coloured = [row for row, _, mode in found if mode not in GREY]
    side = sides.pop() if len(sides) == 1 else 0
    return " ".join(map(str, (side, len(found) - len(coloured), len(coloured), *coloured[:NAMED])))


def _header(path: str) -> tuple[tuple[int, int], str] | None:
    extensions()  # lets Pillow know of all formats
    try:
        with Image.open(path) as image:
            return image.size, image.mode
    except Exception:  # whatever a decoder raises; named when it is decoded
        return None
