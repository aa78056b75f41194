"""What one of several processes, each with a part of every batch, gives to a step: its loss, and its learning rate."""

import math

from torch import Tensor
from torch.optim import Optimizer

from src.strategy.exchange import total


def share_of_mean(loss: Tensor, *, count: int, samples: int, mass: Tensor | None) -> Tensor:
    """Return what a part of a batch adds to the mean loss over the whole of it.

    `loss` is the mean over the part, of which `count` of the batch's `samples` count: none, where it has one that is
    to count for nothing. `mass` is what the loss divides its sum over the part by, None where that is their number.
    """
    if mass is None:
        return loss * (count / samples)
    mass = mass * min(count, 1)  # 0 where the sample counts for nothing
    return loss * (mass / total(mass))


def lr_factor(scale_lr: str, ranks: int) -> float:
    """Return what the learning rates of `ranks` processes are multiplied by; raises ValueError for an unknown way."""
    factors = {"none": 1.0, "linear": float(ranks), "sqrt": math.sqrt(ranks)}
    if scale_lr not in factors:
        raise ValueError(f"optimizer.scale_lr={scale_lr}: choose from {', '.join(factors)}")
    return factors[scale_lr]


def scale_rates(optimizer: Optimizer, scale_lr: str, *, ranks: int) -> None:
    """Multiply the learning rates of `optimizer` for `ranks` processes, in the way that `scale_lr` names."""
    for group in [optimizer.defaults, *optimizer.param_groups] if scale_lr != "none" else ():
        group["lr"] *= lr_factor(scale_lr, ranks)
