"""The channels of a layer, or its filters, side by side in one picture.

Shapes: N maps, C channels (1 grey, 3 RGB), H height, W width.
"""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

from src.plot.names import plain

DPI = 100
LEAST_TILE, LARGEST_SIDE = 44, 1400  # pixels: of a tile, and of all tiles together
GAP = 0.07  # of a tile


def feature_maps(maps_NHW: np.ndarray, *, title: str) -> Figure:
    """Return every map in a tile, each on its own scale, from its least value, dark, to its greatest, bright.

    A map of one value everywhere, which says nothing of the image, is a cross; so is one that is not finite.
    """
    low_N11, high_N11 = (extreme(axis=(1, 2), keepdims=True) for extreme in (maps_NHW.min, maps_NHW.max))
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        range_N11 = high_N11 - low_N11
        is_flat_N = ~(np.isfinite(range_N11) & (range_N11 > 0)).squeeze((1, 2))
        range_N11[is_flat_N] = np.nan
        scaled_NHW = (maps_NHW - low_N11) / range_N11
    flat = f"\nx: {is_flat_N.sum()} of {len(maps_NHW)} have one value everywhere" if is_flat_N.any() else ""
    figure, axes = _mosaic(scaled_NHW[..., None], title=title + flat, color_map="viridis", limits=(0, 1))
    _bar(figure, axes).set_ticks([0, 1], labels=["least", "greatest"])
    columns = _columns(len(maps_NHW))
    number_F = is_flat_N.nonzero()[0]
    axes.plot(number_F % columns, number_F // columns, "x", color="0.5")
    return figure


def filters(weights_NCHW: np.ndarray, *, title: str) -> Figure:
    """Return every filter in a tile, all on one scale: purple below zero, orange above, or RGB around grey."""
    extreme = float(np.abs(weights_NCHW).max()) or 1.0
    weights_NHWC = np.moveaxis(weights_NCHW, 1, -1)
    if weights_NHWC.shape[-1] == 3:
        title += f"\nmiddle grey is 0, full colour ± {extreme:.3g}"
        return _mosaic(weights_NHWC / (2 * extreme) + 0.5, title=title, color_map="gray", limits=(0, 1))[0]
    figure, axes = _mosaic(weights_NHWC, title=title, color_map="PuOr_r", limits=(-extreme, extreme))
    _bar(figure, axes)
    return figure


def _bar(figure: Figure, axes: Axes) -> Colorbar:
    return figure.colorbar(axes.images[0], ax=axes, fraction=0.03, pad=0.01, aspect=30)


def _columns(tiles: int) -> int:
    return math.ceil(math.sqrt(tiles))


def _mosaic(tiles_NHWC: np.ndarray, *, title: str, color_map: str, limits: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return the tiles, numbered along rows from 0, at whole coordinates: (column, row) is a tile's middle."""
    tiles, height, width, channels = tiles_NHWC.shape
    columns = _columns(tiles)
    rows = math.ceil(tiles / columns)
    tile = min(max(LEAST_TILE, height, width), LARGEST_SIDE / columns) / DPI
    figure = Figure(figsize=(max(columns * tile, 3) + 1, max(rows * tile * height / width, 1) + 0.9), dpi=DPI)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    for number, tile_HWC in enumerate(tiles_NHWC):
        row, column = divmod(number, columns)
        half = (1 - GAP) / 2
        box = (column - half, column + half, row + half, row - half)
        image = tile_HWC[..., 0] if channels == 1 else tile_HWC
        axes.imshow(image, cmap=color_map, vmin=limits[0], vmax=limits[1], extent=box, interpolation="nearest")
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect=height / width)
    step = max(1, columns // 8)
    axes.set_xticks(range(0, columns, step))
    axes.set_yticks(range(0, rows, step), [str(row * columns) for row in range(0, rows, step)])
    axes.tick_params(length=0, labelsize=7, labelcolor="0.4")
    axes.spines[:].set_visible(False)
    axes.set_title(plain(title), fontsize=9, loc="left")
    return figure, axes
