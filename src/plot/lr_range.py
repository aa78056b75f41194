"""The loss over the learning rates of a range test."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from src.plot.style import BLUE, GREY, VERMILION


def range_test(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], *, suggestion: float
) -> Figure:
    """Return the loss of each batch and the smoothed loss over the rate, and a line at the suggested rate."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(rates, losses, ".", color=GREY, markersize=3, label="loss of a batch")
    axis.plot(rates[: len(smoothed)], smoothed, color=BLUE, label="smoothed")
    axis.axvline(suggestion, color=VERMILION, linestyle="--", label=f"falls fastest: {suggestion:.2g}")
    low, high = min(smoothed), smoothed[0]
    margin = 0.3 * (high - low)
    axis.set(xscale="log", xlabel="learning rate", ylabel="training loss", ylim=(low - margin, high + 2 * margin))
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    return figure
