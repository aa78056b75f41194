"""Panels placed in inches, with the room that what stands around them needs.

Constrained layout finds that room by itself, and measures every artist four times for it: half the time of a picture.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

TICK, LINE, LABEL = 0.14, 0.17, 0.28  # inches of a tick with its gap, a line of tick labels, an axis label to the edge
DPI = 720  # at which letters are measured: at the screen's, hinting makes them narrower

Box = tuple[float, float, float, float]  # left, bottom, width, height, in inches


def place(panel: Axes, box: Box) -> None:
    """Put a panel in its figure."""
    width, height = cast(Figure, panel.figure).get_size_inches()
    panel.set_position((box[0] / width, box[1] / height, box[2] / width, box[3] / height))


def label(panel: Axes, box: Box, *, wide: float, tall: float = LINE) -> None:
    """Put a panel and, behind tick labels so `wide` beside it and so `tall` below it, its axis labels.

    Where these have their place, matplotlib need not measure for it at every draw.
    """
    place(panel, box)
    panel.yaxis.set_label_coords(-(TICK + wide) / box[2], 0.5)
    panel.xaxis.set_label_coords(0.5, -(TICK + tall) / box[3])


def stack(
    panels: Sequence[Axes],
    *,
    above: float,
    right: float = 0.15,
    between: float = 0.0,
    shares: Sequence[float] = (),
    names: float | None = None,
) -> None:
    """Put panels below each other, their left sides in line; the room is in inches.

    `above` is over each panel, for its title or legend, `right` beside them, `between` for tick labels of those that
    are not the last. `shares` are of the heights, equal where there are none. `names` is how wide the tick labels of
    the vertical axes are, where they are no numbers.
    """
    width, height = cast(Figure, panels[0].figure).get_size_inches()
    lowest = LABEL + LINE + TICK
    shares = shares or [1.0] * len(panels)
    unit = (height - lowest - above * len(panels) - between * (len(panels) - 1)) / sum(shares)
    boxes, top = [], height
    for panel, share in zip(panels, shares, strict=True):
        top -= above + share * unit
        boxes.append((0.0, top, width, share * unit))
        place(panel, boxes[-1])  # which numbers stand there follows from the height
        top -= between
    wide = max(map(_numbers, panels)) if names is None else names
    left = LABEL + wide + TICK
    for panel, (_, below, _, tall) in zip(panels, boxes, strict=True):
        label(panel, (left, below, width - left - right, tall), wide=wide)


def widest(texts: Iterable[str], *, size: float) -> float:
    """Return the inches that the widest of `texts` takes in a font of `size` points."""
    font = FontProperties(size=size)
    sizes = [_renderer().get_text_width_height_descent(text, font, is_math_text(text)) for text in texts]
    return max((width for width, _, _ in sizes), default=0) / DPI


def _numbers(panel: Axes) -> float:
    axis = panel.yaxis
    return widest(axis.get_major_formatter().format_ticks(axis.get_majorticklocs().tolist()), size=10)


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, DPI)
