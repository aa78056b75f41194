"""What a convolution does: mean filters in numbers, and the shapes that come out in one, two and three dimensions.

Shapes: H height, W width.
"""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.nn import functional as F

EXAMPLES = ((0, 2, 2), (0, 4, 2), (0, 4, 3), (16, 4, 3))  # first number, side of the input, side of the filter
SHAPES = (  # input sizes, kernel sizes, padding, stride
    ((28,), (5,), 0, 1),
    ((28,), (5,), 2, 1),
    ((32, 32), (3, 3), 1, 1),
    ((32, 32), (5, 5), 0, 2),
    ((224, 224), (1, 1), 0, 1),
    ((16, 64, 64), (3, 3, 3), 1, 2),
)


def mean_filtered(first: int, side: int, kernel: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `first`, `first` + 1, ... as a square (H, W), and the means under a square filter of side `kernel`."""
    input_HW = torch.arange(first, first + side * side, dtype=torch.float64).view(side, side)
    filter_HW = torch.full((1, 1, kernel, kernel), 1 / kernel**2, dtype=torch.float64)
    output_HW = F.conv2d(input_HW[None, None], filter_HW)[0, 0]
    return input_HW.numpy(), output_HW.numpy()


def output_size(size: int, kernel: int, *, padding: int = 0, stride: int = 1) -> int:
    """Return (W - F + 2P) / S + 1, rounded down: how many places a filter has along one dimension."""
    return (size - kernel + 2 * padding) // stride + 1


def convolution() -> Figure:
    """Return four mean filters, input and output in numbers, above a table of output shapes."""
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    numbers, table = figure.subfigures(2, 1, height_ratios=(1.7, 1))  # type: ignore[misc]  # two of them
    panels = numbers.subplots(2, len(EXAMPLES), height_ratios=(1, 0.75))
    for (first, side, kernel), (above, below) in zip(EXAMPLES, panels.T, strict=True):
        input_HW, output_HW = mean_filtered(first, side, kernel)
        limits = first - 1, first + 1.6 * side**2  # pale enough for black numbers
        _numbers(above, input_HW, limits, title=f"input, {side} x {side}")
        _numbers(below, output_HW, limits, title=f"mean under {kernel} x {kernel}")
    _table(table.subplots())
    return figure


def _numbers(axis: Axes, values_HW: np.ndarray, limits: Sequence[float], *, title: str) -> None:
    axis.imshow(values_HW, cmap="Blues", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    for (row, column), value in np.ndenumerate(values_HW):
        axis.text(column, row, f"{value:.10g}", ha="center", va="center", fontsize=8)
    axis.set_title(title, fontsize=9)
    axis.set_axis_off()


def _table(axis: Axes) -> None:
    rows = []
    for sizes, kernels, padding, stride in SHAPES:
        found = [output_size(*pair, padding=padding, stride=stride) for pair in zip(sizes, kernels, strict=True)]
        rows.append([f"{len(sizes)}D", _by(sizes), _by(kernels), str(padding), str(stride), _by(found)])
    columns = ["", "input W", "filter F", "padding P", "stride S", "output ⌊(W - F + 2P) / S⌋ + 1"]
    drawn = axis.table(rows, colLabels=columns, loc="center", cellLoc="center", edges="horizontal")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    drawn.auto_set_column_width(range(len(columns)))
    drawn.scale(1, 1.3)
    axis.set_axis_off()


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
