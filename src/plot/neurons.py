"""How sums and compositions of shifted tanh units approximate curves.

From Stevens, Antiga and Viehmann, "Deep Learning with PyTorch" (2020), chapter 6.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from src.plot.style import BLUE

Curve = Callable[[np.ndarray], np.ndarray]


def unit(weight: float, bias: float) -> Curve:
    """Return the neuron tanh(weight x + bias)."""
    return lambda x: np.tanh(weight * x + bias)


A, B, C, D = unit(-2, -1.25), unit(1, 0.75), unit(4, 1), unit(-3, -1.5)
CURVES: dict[str, Curve] = {
    "A = tanh(-2x - 1.25)": A,
    "B = tanh(x + 0.75)": B,
    "C = tanh(4x + 1)": C,
    "D = tanh(-3x - 1.5)": D,
    "A + B": lambda x: A(x) + B(x),
    "C + D": lambda x: C(x) + D(x),
    "C(A + B)": lambda x: C(A(x) + B(x)),
    "D(A + B)": lambda x: D(A(x) + B(x)),
    "C(A + B) + D(A + B)": lambda x: C(A(x) + B(x)) + D(A(x) + B(x)),
}


def neurons() -> Figure:
    """Return a panel for each of four units, their sums and their compositions, over [-3, 3]."""
    x = np.linspace(-3, 3, 301)
    figure = Figure(figsize=(8, 7), layout="constrained")
    panels = figure.subplots(3, 3, sharex=True, sharey=True)
    for (name, curve), axis in zip(CURVES.items(), panels.flat, strict=True):
        axis.plot(x, curve(x), color=BLUE)
        axis.set_title(name, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.3)
    for axis in panels[-1]:
        axis.set_xlabel("x")
    for axis in panels[:, 0]:
        axis.set_ylabel("output")
    return figure
