"""What a binary classifier says of every sample: its target and the probability of class 1.

Shapes: N samples.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.plot.names import plain, shortened
from src.plot.room import stack
from src.plot.style import BLACK, SPLIT, WRONG

Scored = tuple[np.ndarray, np.ndarray]  # target_N (0 or 1), probability_N of 1


def predictions(scored: Mapping[str, Scored], classes: Sequence[str]) -> Figure:
    """Return a panel per split; samples lie in the order of their target, then of their probability."""
    figure = Figure(figsize=(8, 2.9 * len(scored)), dpi=120)
    panels = figure.subplots(len(scored), squeeze=False)[:, 0]
    for panel, (split, (target_N, probability_N)) in zip(panels, scored.items(), strict=True):
        _panel(panel, split, target_N, probability_N)
        panel.set_ylabel(f"probability of {plain(shortened(classes[1]))}")
    panels[-1].set_xlabel("samples, sorted by target and probability")
    stack(list(panels), above=0.32, between=0.3, right=1.5)
    return figure


def _panel(panel: Axes, split: str, target_N: np.ndarray, probability_N: np.ndarray) -> None:
    order_N = np.lexsort((probability_N, target_N))
    target_N, probability_N = target_N[order_N], probability_N[order_N]
    wrong_N = (probability_N > 0.5) != target_N
    number_N, size = np.arange(len(target_N)), 40 if len(target_N) < 50 else 6
    panel.axhline(0.5, color=BLACK, linewidth=0.8, linestyle=":")
    panel.step(number_N, target_N, where="mid", color=BLACK, linewidth=1, label="target")
    for chosen_N, color, name in ((~wrong_N, SPLIT[split], "right"), (wrong_N, WRONG, "wrong")):
        label = f"{name}: {chosen_N.sum():,}"
        panel.scatter(number_N[chosen_N], probability_N[chosen_N], s=size, color=color, label=label, zorder=3)
    if len(target_N) < 20:
        panel.set_xticks(number_N, number_N + 1)
    panel.set_ylim(-0.06, 1.06)
    panel.set_title(f"{split}: {len(target_N):,} samples", loc="left", fontsize=11, y=1)
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
