"""Which class is taken for which, and how much of each class is recognised.

Shapes: N samples, K classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from src.plot.style import BLUE, VERMILION

ANNOTATED = 20  # classes up to which a cell has room for its count
SHOWN = 40  # classes that have room for a bar each
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind text that a line may cross


def confusion_counts(label_N: np.ndarray, prediction_N: np.ndarray, classes: int) -> np.ndarray:
    """Return how many samples of each class (rows) were taken for each (columns), (K, K)."""
    return np.bincount(label_N * classes + prediction_N, minlength=classes**2).reshape(classes, classes)


def confusion(count_KK: np.ndarray, classes: Sequence[str]) -> Figure:
    """Return the confusion matrix: colour is the share of the label's samples, the number how many they are."""
    K = len(classes)
    share_KK = count_KK / np.maximum(count_KK.sum(axis=1, keepdims=True), 1)
    side = min(max(4.5, 2.5 + 0.55 * K), 12)
    figure = Figure(figsize=(side + 0.8, side), dpi=100, layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(picture, label="share of the label's samples", shrink=0.8)
    font = 10 if K <= 10 else 8
    if K <= ANNOTATED:
        for row, column in np.argwhere(count_KK):
            color = "white" if share_KK[row, column] > 0.5 else "black"
            cell = axes.text(
                column, row, f"{count_KK[row, column]:,}", ha="center", va="center", color=color, fontsize=font
            )
            cell.set_in_layout(False)  # it lies inside the axes: a hundred of them are slow to measure
    ticks = range(0, K, -(-K // SHOWN))
    names = [shortened(classes[tick]) for tick in ticks]
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(ticks, names, fontsize=9, **turned if max(map(len, names)) > 3 else {})
    axes.set_yticks(ticks, names, fontsize=9)
    axes.set(xlabel="prediction", ylabel="label")
    axes.set_title(f"{np.trace(count_KK):,} of {count_KK.sum():,} right", fontsize=11)
    return figure


def class_accuracy(count_KK: np.ndarray, classes: Sequence[str]) -> Figure:
    """Return the share of each class that is recognised, the worst on top; of many classes the worst alone."""
    total_K = count_KK.sum(axis=1)
    share_K = np.diag(count_KK) / np.maximum(total_K, 1)
    there_K = [number for number in np.argsort(share_K, kind="stable") if total_K[number]]
    shown = there_K[:SHOWN]
    figure = Figure(figsize=(7, 1.4 + 0.3 * len(shown)), dpi=100, layout="constrained")
    axes = figure.subplots()
    names = [f"{shortened(classes[number])} ({total_K[number]:,})" for number in shown]
    bars = axes.barh(range(len(shown)), share_K[shown], color=BLUE)
    axes.bar_label(bars, [f"{share_K[number]:.1%}" for number in shown], padding=4, fontsize=9, bbox=WHITE)
    axes.set_yticks(range(len(shown)), names, fontsize=9)
    axes.invert_yaxis()
    overall = np.trace(count_KK) / count_KK.sum()
    axes.axvline(overall, color=VERMILION, label=f"all classes: {overall:.1%}")
    axes.set(xlim=(0, 1.12), xlabel="accuracy per class (samples in brackets)")
    axes.set_xticks(np.linspace(0, 1, 6))
    figure.legend(loc="outside upper right", fontsize=9)
    if len(shown) < len(there_K):
        axes.set_title(f"the {len(shown)} worst of {len(there_K)} classes", loc="left", fontsize=11)
    return figure


def shortened(name: str, length: int = 18) -> str:
    """Return a name that fits beside an axis, cut where it is longer."""
    name = name.replace("$", r"\$")  # matplotlib would read mathematics
    return name if len(name) <= length else f"{name[: length - 1]}…"
