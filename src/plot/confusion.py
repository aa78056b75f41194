"""Which class is taken for which, and how much of each class is recognised.

Shapes: N samples, K classes.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from src.plot.names import plain, shortened
from src.plot.room import LABEL, LINE, TICK, label, place, stack, widest
from src.plot.style import BLUE, VERMILION

ANNOTATED = 20  # classes up to which a cell has room for its count
SHOWN = 40  # classes that have room for a bar each
BAR, TITLE = 1.1, 0.35  # inches for what stands to the right of the matrix and over it
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind text that a line may cross


def confusion_counts(target_N: np.ndarray, label_N: np.ndarray, classes: int) -> np.ndarray:
    """Return how many samples of each class (rows) were labelled as each (columns), (K, K)."""
    return np.bincount(target_N * classes + label_N, minlength=classes**2).reshape(classes, classes)


def confusion(count_KK: np.ndarray, classes: Sequence[str], *, split: str) -> Figure:
    """Return the confusion matrix of a split: colour is the share of the target's samples, the number how many."""
    K = len(classes)
    share_KK = count_KK / np.maximum(count_KK.sum(axis=1, keepdims=True), 1)
    ticks = range(0, K, -(-K // SHOWN))
    names = [plain(shortened(classes[tick])) for tick in ticks]
    side, wide = min(max(3.2, 0.65 * K), 9), widest(names, size=9)
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if wide > 0.3 else {}
    tall = (wide + 1.3 * LINE) * math.sin(math.pi / 4) if turned else LINE
    left, below = LABEL + wide + TICK, LABEL + tall + TICK
    figure = Figure(figsize=(left + side + BAR, below + side + TITLE), dpi=100)
    axes, bar = figure.add_axes((0, 0, 1, 1)), figure.add_axes((0, 0, 1, 1))
    label(axes, (left, below, side, side), wide=wide, tall=tall)
    place(bar, (left + side + 0.2, below + 0.1 * side, 0.2, 0.8 * side))
    picture = axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(picture, cax=bar, label="share of the target's samples")
    font = 10 if K <= 10 else 8
    for row, column in np.argwhere(count_KK) if K <= ANNOTATED else ():
        number, color = f"{count_KK[row, column]:,}", "white" if share_KK[row, column] > 0.5 else "black"
        axes.text(column, row, number, ha="center", va="center", color=color, fontsize=font)
    axes.set_xticks(ticks, names, fontsize=9, **turned)
    axes.set_yticks(ticks, names, fontsize=9)
    axes.set(xlabel="label (predicted)", ylabel="target (true)")
    axes.set_title(f"{split}: {np.trace(count_KK):,} of {count_KK.sum():,} right", fontsize=11, y=1)
    return figure


def class_accuracy(count_KK: np.ndarray, classes: Sequence[str], *, split: str) -> Figure:
    """Return the share of each class of a split that is recognised, the worst on top; of many the worst alone."""
    total_K = count_KK.sum(axis=1)
    share_K = np.diag(count_KK) / np.maximum(total_K, 1)
    there_K = [number for number in np.argsort(share_K, kind="stable") if total_K[number]]
    shown = there_K[:SHOWN]
    figure = Figure(figsize=(7, 1.4 + 0.3 * len(shown)), dpi=100)
    axes = figure.subplots()
    names = [f"{plain(shortened(classes[number]))} ({total_K[number]:,})" for number in shown]
    bars = axes.barh(range(len(shown)), share_K[shown], color=BLUE)
    axes.bar_label(bars, [f"{share_K[number]:.1%}" for number in shown], padding=4, fontsize=9, bbox=WHITE)
    axes.set_yticks(range(len(shown)), names, fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    overall = np.trace(count_KK) / count_KK.sum()
    axes.axvline(overall, color=VERMILION, label=f"all classes: {overall:.1%}")
    axes.set(xlim=(0, 1.12), xlabel="accuracy per class (samples in brackets)")
    axes.set_xticks(np.linspace(0, 1, 6))
    figure.legend(loc="upper right", fontsize=9)
    which = f"the {len(shown)} worst of {len(there_K)}" if len(shown) < len(there_K) else f"{len(shown)}"
    axes.set_title(f"{split}: {which} classes", loc="left", fontsize=11, y=1)
    stack([axes], above=0.4, names=widest(names, size=9))
    return figure
