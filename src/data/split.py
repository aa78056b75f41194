"""Which samples of the official training set are for training and which for validation.

Shapes: N samples.
"""

import torch
from torch import Tensor


def train_val_indices(samples: int, *, val_fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices (train_N, val_N) of a random cut, each sorted, the same on every machine.

    `val_fraction` in [0, 1) is the share cut off for validation; 0 keeps every sample for training and leaves val
    empty.
    """
    val_samples = round(samples * val_fraction)
    order_N = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
    return order_N[val_samples:].sort().values, order_N[:val_samples].sort().values
