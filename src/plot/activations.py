"""What activation functions make of a number in [-10, 10]."""

from collections.abc import Callable
from functools import partial

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from src.plot.style import BLUE, COLORS, VERMILION

SLOPE = 0.1  # of leaky ReLU below 0
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "hardtanh": F.hardtanh,
    "sigmoid": torch.sigmoid,
    "ReLU": F.relu,
    f"leaky ReLU, slope {SLOPE}": partial(F.leaky_relu, negative_slope=SLOPE),
}
MARKED = {"tanh": {-2.2: (-67, 6), 0.1: (5, -10), 2.5: (5, -10)}}  # saturated, almost linear, saturated: label's offset
SCORES = (2.0, 3.0)  # beside which softmax weighs x


def activations() -> Figure:
    """Return a panel for each of tanh, hardtanh, sigmoid, ReLU, leaky ReLU and softmax, torch's own."""
    x_N = torch.linspace(-10, 10, 401, dtype=torch.float64)
    figure = Figure(figsize=(10, 5), layout="constrained")
    panels = figure.subplots(2, 3)
    for (name, function), axis in zip(ACTIVATIONS.items(), panels.flat, strict=False):
        axis.plot(x_N, function(x_N), color=BLUE)
        axis.set(title=name, ylabel="f(x)")
        for x, offset in MARKED.get(name, {}).items():
            y = function(torch.tensor(x, dtype=torch.float64)).item()
            axis.plot(x, y, "o", color=VERMILION, markersize=4)
            axis.annotate(f"f({x:g}) = {y:.5f}", (x, y), xytext=offset, textcoords="offset points", fontsize=7)
    _softmax(panels.flat[-1], x_N)
    for axis in panels.flat:
        axis.set_xlabel("x")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.3)
    return figure


def _softmax(axis: Axes, x_N: Tensor) -> None:
    """Draw the three shares of the scores (x, 2, 3) over x, and mark those of (1, 2, 3)."""
    scores_N3 = torch.stack([x_N, *(torch.full_like(x_N, score) for score in SCORES)], dim=1)
    marked_3 = torch.tensor([1.0, *SCORES], dtype=torch.float64).softmax(dim=0)
    for number, (share_N, share) in enumerate(zip(scores_N3.softmax(dim=1).T, marked_3.tolist(), strict=True)):
        color = COLORS[(5, 1, 3)[number]]
        axis.plot(x_N, share_N, color=color, label=f"of {('x', *map('{:g}'.format, SCORES))[number]}")
        axis.plot(1, share, "o", color=color, markersize=4)
        axis.annotate(
            f"{share:.4f}",
            (1, share),
            xytext=((5, -9), (-35, -9), (-35, -9))[number],
            textcoords="offset points",
            fontsize=7,
        )
    axis.set(title="softmax of (x, 2, 3)", ylabel="share")
    axis.legend(frameon=False, fontsize=7, loc="center left")
