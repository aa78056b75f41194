"""The learning-rate range test (Smith 2015, arXiv:1506.01186): the loss while the rate rises, and a rate to take."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import lightning
import numpy as np
from torch.optim import Optimizer

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
        """Keep the ratios of the groups' rates; take away what else would set them."""
        optimizer = the_optimizer(trainer, pl_module, for_="find_lr=true")
        rate = optimizer.defaults.get("lr") or max(group["lr"] for group in optimizer.param_groups)
        if not rate:
            raise ValueError("find_lr=true: the optimizer's learning rate is 0: its groups have no ratios to keep")
        self._ratios = [float(group["lr"] / rate) for group in optimizer.param_groups]
        trainer.lr_scheduler_configs.clear()

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: object) -> None:
        """Set the step's rate."""
        rate = self.low * (self.high / self.low) ** (trainer.global_step / (self.steps - 1))
        for group, ratio in zip(trainer.optimizers[0].param_groups, self._ratios, strict=True):
            group["lr"] = rate * ratio
        self._rate = rate

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, *args: object) -> None:
        """Keep the loss; end where it diverges, or is no number any more."""
        found = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if found is None:  # a step that was skipped
            return
        loss = float(found)
        if not math.isfinite(loss):
            trainer.should_stop = True
            return
        self.rates.append(self._rate)
        self.losses.append(loss)
        self._recent = loss if math.isinf(self._recent) else 0.8 * self._recent + 0.2 * loss
        self._lowest = min(self._lowest, self._recent)
        if self._recent > DIVERGED * self._lowest:
            trainer.should_stop = True


def the_optimizer(trainer: lightning.Trainer, model: lightning.LightningModule, *, for_: str) -> Optimizer:
    """Return the one optimizer of a model; raises ValueError, `for_` what, where it steps by itself or has none."""
    name = type(model).__qualname__
    if not model.automatic_optimization:
        raise ValueError(f"{for_}: {name} steps by itself (automatic_optimization=False): leave it out")
    if not trainer.optimizers:
        raise ValueError(f"{for_}: {name} has no optimizer (configure_optimizers): leave it out")
    return trainer.optimizers[0]


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
