"""Scores over optimizer steps: a panel per metric, a line per split.

Shapes: P points.
"""

from collections.abc import Mapping
from itertools import count

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.plot.names import plain, shortened
from src.plot.room import stack
from src.plot.score_names import ScoreName, parsed
from src.plot.style import BLACK, SPLIT

Curve = tuple[np.ndarray, np.ndarray]  # step_P, value_P
DECADES = 2  # from which on a loss that falls is read on a logarithmic scale
PANELS = 30  # which are some 8,000 pixels
LETTERS = 32  # of a metric's name beside a panel
DASHES = ("-", "--", ":", "-.")  # of lines of one split


def curves(curve: Mapping[str, Curve], *, best: tuple[str, int, float] | None = None) -> Figure:
    """Return the curves of scores, whose names say of which split they are; `best` is the (score, step, value) to mark.

    Raises ValueError where there is no curve.
    """
    names = {name: parsed(name) for name in curve}
    metrics = list(dict.fromkeys(name.metric for name in names.values()))
    if not metrics:
        raise ValueError("no score was logged")
    shown = metrics[:PANELS]
    figure = Figure(figsize=(7, 2.8 * len(shown)), dpi=100)
    panels = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
    for panel, metric in zip(panels, shown, strict=True):
        lines = {name: curve[name] for split in (*SPLIT, None) for name in curve if names[name][:2] == (metric, split)}
        _panel(panel, metric, lines, names)
        if best and best[0] in lines:
            name, step, value = best
            label = f"best {_label(names[name]) or 'value'}: {value:.4g} at step {step:,}"
            panel.plot(step, value, "*", color=BLACK, fillstyle="none", markersize=15, linestyle="none", label=label)
        if panel.get_legend_handles_labels()[1]:
            panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=9, frameon=False)  # covers no line
    more = len(metrics) - len(shown)
    panels[-1].set_xlabel("optimizer steps" + (f"; {more} more scores are in metrics.csv" if more else ""))
    stack(list(panels), above=0.32, between=0.1)
    return figure


def _panel(panel: Axes, metric: str, lines: Mapping[str, Curve], names: Mapping[str, ScoreName]) -> None:
    number: dict[str | None, count[int]] = {split: count() for split in (*SPLIT, None)}
    for name, (step_P, value_P) in lines.items():
        split = names[name].split
        dashes = DASHES[next(number[split]) % len(DASHES)]
        marker = "o" if len(step_P) < 30 else None  # few points are points; one alone would have no line at all
        color = SPLIT[split] if split else BLACK
        panel.plot(step_P, value_P, dashes, color=color, marker=marker, markersize=4, label=_label(names[name]))
    panel.set_ylabel(plain(shortened(metric.replace("_", " "), LETTERS)))
    panel.grid(alpha=0.3)
    value_P = np.concatenate([values for _, values in lines.values()])
    value_P = value_P[np.isfinite(value_P)]
    if metric == "loss" and len(value_P) and value_P.min() > 0 and value_P.max() / value_P.min() > 10**DECADES:
        panel.set_yscale("log")


def _label(name: ScoreName) -> str:
    return " ".join(filter(None, (name.split, name.rest)))
