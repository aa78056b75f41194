"""How well each label is told, of samples that may have several: precision, recall, F1 and average precision.

Shapes: N samples, K labels.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from src.plot.names import plain, shortened
from src.plot.room import stack, widest
from src.plot.style import BLACK, BLUE, GREEN, ORANGE

SHOWN = 40  # labels that have room for a bar each
SCORES = ("F1", "precision", "recall", "average precision")


def label_scores(target_NK: np.ndarray, label_NK: np.ndarray, probability_NK: np.ndarray) -> np.ndarray:
    """Return SCORES of each label (K, 4); NaN where no sample has it, of the precision where it was never given."""
    both_K, given_K, true_K = (part_NK.sum(axis=0) for part_NK in (target_NK & label_NK, label_NK, target_NK))
    with np.errstate(invalid="ignore"):
        f1_K, precision_K, recall_K = 2 * both_K / (given_K + true_K), both_K / given_K, both_K / true_K
    average_K = [average_precision(target_NK[:, k], probability_NK[:, k]) for k in range(target_NK.shape[1])]
    scores_K4 = np.array([f1_K, precision_K, recall_K, average_K]).T
    scores_K4[true_K == 0] = np.nan
    return scores_K4


def average_precision(target_N: np.ndarray, probability_N: np.ndarray) -> float:
    """Return the mean of the precision over the samples with a label, each at the threshold that just finds it."""
    if not target_N.any():
        return float("nan")
    order_N = np.argsort(-probability_N, kind="stable")
    found_N, value_N = target_N[order_N].cumsum(), probability_N[order_N]
    last_N = np.append(np.flatnonzero(np.diff(value_N)), len(value_N) - 1)  # of samples with equal probabilities
    gain_N = np.diff(found_N[last_N], prepend=0) / found_N[-1]
    return float((gain_N * found_N[last_N] / (last_N + 1)).sum())


def bars(scores_K4: np.ndarray, count_K: np.ndarray, classes: Sequence[str], *, split: str) -> Figure:
    """Return a bar of F1 per label, the worst on top, with marks for the other SCORES; of many the worst alone."""
    there_K = [k for k in np.argsort(scores_K4[:, 0], kind="stable") if count_K[k]]
    shown = there_K[:SHOWN]
    figure = Figure(figsize=(7, 1.6 + 0.3 * len(shown)), dpi=100)
    axes = figure.subplots()
    place = np.arange(len(shown))
    names = [f"{plain(shortened(classes[k]))} ({count_K[k]:,})" for k in shown]
    axes.barh(place, scores_K4[shown, 0], color=BLUE, label="F1")
    for column, (mark, color) in enumerate((("|", ORANGE), ("x", GREEN), (".", BLACK)), start=1):
        axes.plot(scores_K4[shown, column], place, mark, color=color, markersize=9, label=SCORES[column])
    for at, k in enumerate(shown):
        axes.text(1.02, at, f"{scores_K4[k, 0]:.3f}", va="center", fontsize=9)
    axes.set_yticks(place, names, fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set(xlim=(0, 1.12), xlabel="score per label (samples that have it in brackets)")
    axes.set_xticks(np.linspace(0, 1, 6))
    figure.legend(loc="upper right", fontsize=8, ncols=4)
    which = f"the {len(shown)} worst of {len(there_K)}" if len(shown) < len(there_K) else f"{len(shown)}"
    mean = np.nanmean(scores_K4[there_K, 0]) if there_K else float("nan")
    axes.set_title(f"{split}: {which} labels, mean F1 {mean:.3f}", loc="left", fontsize=11, y=1)
    stack([axes], above=0.6, names=widest(names, size=9))
    return figure
