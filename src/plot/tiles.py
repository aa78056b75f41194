"""Images in rows and columns, each with a caption.

Shapes: N images, H height, W width, C channels (1 grey, 3 RGB).
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from src.plot.names import plain, shortened

RIGHT, WRONG, UNKNOWN = "#0072B2", "#D55E00", "#000000"  # Okabe and Ito's blue and vermilion, told apart by everyone
INCHES, LINE_INCHES = 1.7, 0.16  # a tile's side, the height of a line of text
LETTERS, TITLE_LETTERS = 21, 11  # that fit above a tile, and in an inch of the title


@dataclass(frozen=True)
class Tile:
    """An image (H, W, C), values in [0, 1], what stands above it, and whether that is right; None: nobody knows."""

    image_HWC: np.ndarray
    caption: str
    is_right: bool | None = None


def grid(tiles: Sequence[Tile], *, title: str = "") -> Figure:
    """Return the tiles under a title, in a square or, few of them, in a row.

    A right caption has a check mark and is blue, a wrong one has a cross and is vermilion; what is too long is cut.
    """
    columns = min(len(tiles), max(4, math.ceil(math.sqrt(len(tiles)))))
    rows = math.ceil(len(tiles) / columns)
    width = max(columns, 2) * INCHES
    heading = textwrap.wrap(title, int(width * TITLE_LETTERS))
    tile_height = INCHES + LINE_INCHES * (1 + max(tile.caption.count("\n") for tile in tiles))
    height = rows * tile_height + LINE_INCHES * (1 + len(heading))
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(plain("\n".join(heading)), fontsize=9)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, tile in zip(panels, tiles, strict=False):  # the last row may have room
        image = tile.image_HWC[..., 0] if tile.image_HWC.shape[-1] == 1 else tile.image_HWC
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        mark, color = {None: ("", UNKNOWN), True: ("✓ ", RIGHT), False: ("✗ ", WRONG)}[tile.is_right]
        caption = "\n".join(shortened(line, LETTERS) for line in tile.caption.split("\n"))
        axes.set_title(mark + plain(caption), fontsize=8, color=color)
    return figure
