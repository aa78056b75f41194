"""Numbers that a net predicts: the points, what it makes of them, and what is left over.

Shapes: N samples, G points of a curve.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.plot.names import shortened
from src.plot.room import stack
from src.plot.style import BLACK, SPLIT

Fitted = tuple[np.ndarray, np.ndarray]  # target_N, prediction_N
MOST = 6  # numbers in a picture


def fit(
    fitted: Mapping[str, Fitted],
    input_N: Mapping[str, np.ndarray],
    curve: tuple[np.ndarray, np.ndarray],
    *,
    axes: Sequence[str],
) -> Figure:
    """Return points over their one input, with the net's curve (input_G, prediction_G), targets less predictions.

    Predictions are crosses. `axes` say what the input and the target are, with units.
    """
    figure, upper, lower = _panels(axes[0], target=axes[1])
    upper.plot(*curve, color=BLACK, linewidth=1.2, label="the net's output")
    for split, (target_N, prediction_N) in fitted.items():
        upper.plot(input_N[split], target_N, "o", color=SPLIT[split], label=f"{split}: points")
        upper.plot(input_N[split], prediction_N, "x", color=SPLIT[split], markersize=8, label=f"{split}: predictions")
        lower.vlines(input_N[split], 0, target_N - prediction_N, color=SPLIT[split], linewidth=1)
        lower.plot(input_N[split], target_N - prediction_N, "o", color=SPLIT[split], markersize=5)
    upper.set_ylabel(axes[1])
    upper.set_xlim(curve[0].min(), curve[0].max())
    upper.legend(fontsize=9)
    stack((upper, lower), above=0.22, right=0.35, shares=(3, 1))
    return figure


def agreement(fitted: Mapping[str, Fitted], *, target: str) -> Figure:
    """Return predictions over targets, which a perfect net puts on the diagonal; residuals below.

    `target` says what the target is, with its unit.
    """
    figure, upper, lower = _panels(f"target: {target}", target=target)
    ends = [min(target_N.min() for target_N, _ in fitted.values()), max(t.max() for t, _ in fitted.values())]
    upper.plot(ends, ends, color=BLACK, linewidth=1.2, label="prediction = target")
    for split, (target_N, prediction_N) in fitted.items():
        upper.plot(target_N, prediction_N, "x", color=SPLIT[split], markersize=5, label=f"{split}: predictions")
        lower.plot(target_N, target_N - prediction_N, "o", color=SPLIT[split], markersize=3)
    upper.set_ylabel(f"prediction: {target}")
    upper.legend(fontsize=9)
    stack((upper, lower), above=0.22, right=0.35, shares=(3, 1))
    return figure


def agreements(fitted: Mapping[str, Fitted], names: Sequence[str]) -> Figure:
    """Return predictions over targets, (N, K) each, a panel for each of K numbers; a perfect net is on the diagonal."""
    shown = names[:MOST]
    figure = Figure(figsize=(4 * len(shown), 4.2), dpi=120)
    for number, (name, panel) in enumerate(zip(shown, figure.subplots(1, len(shown), squeeze=False)[0], strict=True)):
        each = {split: (target_NK[:, number], said_NK[:, number]) for split, (target_NK, said_NK) in fitted.items()}
        ends = [min(target_N.min() for target_N, _ in each.values()), max(t.max() for t, _ in each.values())]
        panel.plot(ends, ends, color=BLACK, linewidth=1.2)
        for split, (target_N, prediction_N) in each.items():
            panel.plot(target_N, prediction_N, "x", color=SPLIT[split], markersize=5, label=split)
        panel.set(title=shortened(name), xlabel="target", ylabel="prediction")
        panel.grid(alpha=0.3)
    panel.legend(fontsize=9)
    figure.tight_layout()
    return figure


def _panels(input_name: str, *, target: str) -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(7, 6), dpi=120)
    upper, lower = figure.subplots(2, sharex=True)
    lower.axhline(0, color=BLACK, linewidth=0.8)
    unit = re.search(r" \([^()]+\)$", target)  # °C, of a temperature (°C)
    lower.set(xlabel=input_name, ylabel=f"target - prediction{unit[0] if unit else ''}")
    for panel in (upper, lower):
        panel.grid(alpha=0.3)
    return figure, upper, lower
