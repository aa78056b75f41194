"""Scores over optimizer steps: a panel per score, a line per split.

Shapes: P points.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.plot.room import stack
from src.plot.style import BLACK, SPLIT

Curve = tuple[np.ndarray, np.ndarray]  # step_P, value_P
DECADES = 2  # from which on a loss that falls is read on a logarithmic scale


def curves(curve: Mapping[str, Curve], *, best: tuple[str, int, float] | None = None) -> Figure:
    """Return the curves of `split/metric` scores; `best` is the (score, step, value) of the point to mark.

    Raises ValueError where there is no curve.
    """
    metrics = list(dict.fromkeys(name.partition("/")[2] for name in curve))
    if not metrics:
        raise ValueError("no score was logged")
    figure = Figure(figsize=(7, 2.8 * len(metrics)), dpi=100)
    panels = figure.subplots(len(metrics), sharex=True, squeeze=False)[:, 0]
    for panel, metric in zip(panels, metrics, strict=True):
        lines = {name: curve[name] for split in SPLIT if (name := f"{split}/{metric}") in curve}
        _panel(panel, metric, lines)
        if best and best[0] in lines:
            name, step, value = best
            label = f"best {name.partition('/')[0]}: {value:.4g} at step {step:,}"
            panel.plot(step, value, "*", color=BLACK, fillstyle="none", markersize=15, linestyle="none", label=label)
        panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=9, frameon=False)  # covers no line
    panels[-1].set_xlabel("optimizer steps")
    stack(list(panels), above=0.32, between=0.1)
    return figure


def _panel(panel: Axes, metric: str, lines: Mapping[str, Curve]) -> None:
    for name, (step_P, value_P) in lines.items():
        split = name.partition("/")[0]
        marker = "o" if len(step_P) < 30 else None  # few points are points; one alone would have no line at all
        panel.plot(step_P, value_P, color=SPLIT[split], marker=marker, markersize=4, label=split)
    panel.set_ylabel(metric.replace("_", " "))
    panel.grid(alpha=0.3)
    value_P = np.concatenate([values for _, values in lines.values()])
    value_P = value_P[np.isfinite(value_P)]
    if metric == "loss" and len(value_P) and value_P.min() > 0 and value_P.max() / value_P.min() > 10**DECADES:
        panel.set_yscale("log")
