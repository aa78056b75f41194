"""Images beside each other, each under its title.

Shapes: C channels, H height, W width.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.plot.names import fitted, wrapped

SIDE = 1.1  # inches of an image
LETTERS, SIZE, LINE = 16, 8, 0.14  # of a title: letters that mostly fit into a line, points, inches of a further line


def gallery(images: Sequence[np.ndarray], titles: Sequence[str], *, heading: str = "") -> Figure:
    """Return a picture of `images`, each (C, H, W), uint8 or in [0, 1], of any size; one channel is grey.

    Titles are wrapped, made smaller and shortened until they are no wider than an image.
    """
    titles = [wrapped(title, LETTERS) for title in titles]
    further = LINE * max(title.count("\n") for title in titles)
    columns = min(len(images), math.ceil(math.sqrt(2 * len(images))))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(max(4, SIDE * columns + 0.3), (SIDE + 0.25 + further) * rows + 0.4), layout="constrained")
    figure.suptitle(heading, parse_math=False, fontsize=10)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for image_CHW, title, axis in zip(images, titles, axes, strict=False):
        _show(axis, image_CHW)
        axis.set_title(title, fontsize=fitted(title, SIDE, size=SIZE), parse_math=False)  # a $ in a class name is a $
    for axis in axes:
        axis.set_axis_off()
    return figure


def _show(axis: Axes, image_CHW: np.ndarray) -> None:
    white = 255 if image_CHW.dtype == np.uint8 else 1
    is_color = len(image_CHW) == 3
    shown = image_CHW.transpose(1, 2, 0) if is_color else image_CHW[0]
    axis.imshow(shown, cmap="gray", vmin=0, vmax=white, interpolation="nearest")
