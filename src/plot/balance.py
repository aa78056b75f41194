"""How the samples of each split are spread: over classes, or over a number to predict.

Shapes: N samples, K classes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from src.plot.names import fitted, shortened
from src.plot.style import SPLIT

UPRIGHT, LYING = 40, 200  # classes whose names have room below upright bars, and beside lying ones
LETTERS, INCHES = 30, 2.2  # of a name, at most


def balance(counts: Mapping[str, Sequence[int]], classes: Sequence[str], *, counted: str = "samples") -> Figure:
    """Return bars of the number of samples of each class, beside each other for each split: {split: count_K}.

    Of many classes the bars lie, so that each has its name; of more than that they have numbers.
    """
    K, names = len(classes), [shortened(name, LETTERS) for name in classes]
    lie = UPRIGHT < K <= LYING
    size = (7, 0.16 * K + 1.2) if lie else (min(14, max(5, 0.6 * K + 1.5)), 3.6)
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    width, font = 0.8 / len(counts), fitted("\n".join(names), INCHES, size=7 if lie else 10)
    for number, (split, count_K) in enumerate(counts.items()):
        place_K = np.arange(K) + (number - (len(counts) - 1) / 2) * width
        draw = axis.barh if lie else axis.bar
        draw(place_K, count_K, width, label=f"{split} ({sum(count_K):,})", color=SPLIT[split])
    if lie:
        axis.set_yticks(range(K), names, parse_math=False, fontsize=font)
        axis.set(ylim=(K - 0.4, -0.6), ylabel="class", xlabel=counted)
    elif K <= UPRIGHT:
        slanted: dict[str, Any] = (
            {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 5 else {}
        )
        axis.set_xticks(range(K), names, parse_math=False, fontsize=font, **slanted)
        axis.set(xlabel="class", ylabel=counted)
    else:
        axis.set(xlabel="class, by its number: the place of its name in data.classes, from 0", ylabel=counted)
    _finish(figure, axis, counted=axis.xaxis if lie else axis.yaxis)
    return figure


def histogram(targets: Mapping[str, np.ndarray], *, target: str, most: int = 50) -> Figure:
    """Return a histogram of the targets of each split, in `most` bins or fewer: {split: target_N}.

    `target` says what the target is, with its unit.
    """
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    every_N = np.concatenate(list(targets.values()))
    edges = np.histogram_bin_edges(every_N, bins=min(most, 2 + math.isqrt(len(every_N))))
    labels = [f"{split} ({len(target_N):,})" for split, target_N in targets.items()]
    colors = [SPLIT[split] for split in targets]
    axis.hist(list(targets.values()), bins=edges, label=labels, color=colors, stacked=True)  # type: ignore[arg-type]
    axis.set(xlabel=target, ylabel="samples")
    _finish(figure, axis, counted=axis.yaxis)
    return figure


def _finish(figure: Figure, axis: Axes, *, counted: Axis) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    counted.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
