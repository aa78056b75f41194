"""The learning rate over a run."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from src.plot.style import COLORS

GROUPS = (5, 6, 3, 1)  # the colours of parameter groups, dark ones first


def schedule(rates: Sequence[Sequence[float]], *, steps_per_epoch: int) -> Figure:
    """Return the learning rates over the run's optimizer steps, and over its epochs above: rates[step][group].

    One line for each parameter group whose rates differ from those of the groups before it.
    """
    rates_SG = np.asarray(rates)
    steps = np.arange(1, len(rates_SG) + 1)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    lines = list(dict.fromkeys(map(tuple, rates_SG.T)))
    for number, line in enumerate(lines):
        axis.plot(steps, line, color=COLORS[GROUPS[number % len(GROUPS)]], marker="." if len(steps) < 50 else None)
        label = f"{max(line):.3g}" if len(lines) == 1 else f"group {number + 1}: {max(line):.3g}"
        axis.annotate(label, (steps[np.argmax(line)], max(line)), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axis.set(xlabel="optimizer step", ylabel="learning rate", ylim=(0, 1.15 * rates_SG.max()))
    above = axis.secondary_xaxis(
        "top", functions=(partial(np.multiply, 1 / steps_per_epoch), partial(np.multiply, steps_per_epoch))
    )
    above.set_xlabel("epoch")
    axis.spines["right"].set_visible(False)
    axis.grid(alpha=0.3)
    return figure
