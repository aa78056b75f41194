"""How the samples of each split are spread: over classes, or over a number to predict.

Shapes: N samples, K classes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from src.plot.style import COLORS

NAMED = 40  # classes whose names have room
SPLIT_COLORS = dict(zip(("train", "val", "test"), (COLORS[5], COLORS[1], COLORS[3]), strict=True))


def balance(counts: Mapping[str, Sequence[int]], classes: Sequence[str]) -> Figure:
    """Return bars of the number of samples of each class, beside each other for each split: {split: count_K}."""
    figure = Figure(figsize=(min(14, max(5, 0.6 * len(classes) + 1.5)), 3.6), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(counts)
    for number, (split, count_K) in enumerate(counts.items()):
        left_K = np.arange(len(classes)) + (number - (len(counts) - 1) / 2) * width
        axis.bar(left_K, count_K, width, label=f"{split} ({sum(count_K):,})", color=SPLIT_COLORS[split])
    if len(classes) <= NAMED:
        slanted: dict[str, Any] = (
            {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, classes)) > 5 else {}
        )
        axis.set_xticks(range(len(classes)), classes, parse_math=False, **slanted)
    axis.set(xlabel="class", ylabel="samples")
    _finish(figure, axis)
    return figure


def histogram(targets: Mapping[str, np.ndarray], *, most: int = 50) -> Figure:
    """Return a histogram of the targets of each split, in `most` bins or fewer: {split: target_N}."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    every_N = np.concatenate(list(targets.values()))
    edges = np.histogram_bin_edges(every_N, bins=min(most, 2 + math.isqrt(len(every_N))))
    labels = [f"{split} ({len(target_N):,})" for split, target_N in targets.items()]
    colors = [SPLIT_COLORS[split] for split in targets]
    axis.hist(list(targets.values()), bins=edges, label=labels, color=colors, stacked=True)  # type: ignore[arg-type]
    axis.set(xlabel="target, in its own units", ylabel="samples")
    _finish(figure, axis)
    return figure


def _finish(figure: Figure, axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
