"""The mistakes that a classifier was most sure of.

Shapes: N samples, H height, W width, C channels.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from src.plot.names import plain, shortened

INCHES, GAP, TEXT = 1.3, 0.25, 0.36  # of an image's width, between two, for two lines of text
TITLE, WIDTH = 0.2, 3.0  # inches over all images for the title, and what it takes at most of a line


def mistakes(images_NHWC: np.ndarray, captions: Sequence[str], *, title: str, columns: int = 5) -> Figure:
    """Return images, uint8 with one or three channels, each under its caption of two lines, all under a title."""
    height = INCHES * images_NHWC.shape[1] / images_NHWC.shape[2]
    rows, columns = -(-len(images_NHWC) // columns), min(columns, len(images_NHWC))
    size = max(WIDTH, columns * (INCHES + GAP)), TITLE + rows * (height + GAP + TEXT)
    figure = Figure(figsize=size, dpi=100)
    axes = figure.add_axes((0, 0, 1, 1), frame_on=False)  # all in one: 25 are slow
    for number, (image_HWC, text) in enumerate(zip(images_NHWC, captions, strict=True)):
        row, column = divmod(number, columns)
        left, top = GAP / 2 + column * (INCHES + GAP), TITLE + GAP / 2 + TEXT + row * (height + GAP + TEXT)
        rgb_HWC = np.broadcast_to(image_HWC, (*image_HWC.shape[:2], 3))
        axes.imshow(rgb_HWC, extent=(left, left + INCHES, top + height, top), aspect="auto")
        axes.text(left, top - 0.04, text, fontsize=8, va="bottom")
    axes.text(GAP / 2, GAP / 2, title, fontsize=10, va="top")
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0), xticks=[], yticks=[])  # imshow sets its own
    return figure


def caption(target: str, label: str, probability: float) -> str:
    """Return what stands over an image: what the net says, how sure it is, and what is true."""
    return plain(f"{shortened(label, 13)} {probability:.1%}\nis {shortened(target, 16)}")
