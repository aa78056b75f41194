"""The learning-rate range test (Smith 2015, arXiv:1506.01186): the loss while the rate rises, and a rate to take."""

import math
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np

DIVERGED = 4.0  # times the lowest loss so far
SMOOTHED = 0.05  # the share of the steps over which the loss is averaged


class RangeTest(lightning.Callback):
    """Raises the rate from `low` to `high` over `steps` optimizer steps, each by the same factor; ends on divergence.

    `rates` and `losses` are those of each batch. Where parameter groups have rates of their own, their ratios are kept.
    """

    def __init__(self, *, low: float = 1e-6, high: float = 10.0, steps: int = 200):
        self.low = low
        self.high = high
        self.steps = steps
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._ratios: list[float] = []
        self._rate = low
        self._recent = self._lowest = math.inf

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the ratios of the groups' rates."""
        (optimizer,) = trainer.optimizers
        self._ratios = [group["lr"] / optimizer.defaults["lr"] for group in optimizer.param_groups]

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: object) -> None:
        """Set the step's rate."""
        rate = self.low * (self.high / self.low) ** (trainer.global_step / (self.steps - 1))
        for group, ratio in zip(trainer.optimizers[0].param_groups, self._ratios, strict=True):
            group["lr"] = rate * ratio
        self._rate = rate

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, *args: object) -> None:
        """Keep the loss; end where it diverges, or is no number any more."""
        loss = (outputs["loss"] if isinstance(outputs, dict) else outputs).item()
        if not math.isfinite(loss):
            trainer.should_stop = True
            return
        self.rates.append(self._rate)
        self.losses.append(loss)
        self._recent = loss if math.isinf(self._recent) else 0.8 * self._recent + 0.2 * loss
        self._lowest = min(self._lowest, self._recent)
        if self._recent > DIVERGED * self._lowest:
            trainer.should_stop = True


def smooth(losses: Sequence[float]) -> np.ndarray:
    """Return the mean of each loss and its neighbours on both sides, so that no fall is shifted to a higher rate."""
    half = max(1, round(len(losses) * SMOOTHED / 2))
    padded = np.pad(losses, half, mode="edge")
    return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")


def suggest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate at which the smoothed loss falls fastest, per factor by which the rate rises.

    Raises ValueError where it does not fall.
    """
    if len(losses) > 1:
        smoothed = smooth(losses)
        falls = -np.gradient(smoothed)[: smoothed.argmin() + 1]  # after the minimum, the fall is that from a peak
        if falls.max() > 0:
            return rates[falls.argmax()]
    raise ValueError("find_lr=true: no learning rate makes the loss fall: look at the data, or choose another model")
