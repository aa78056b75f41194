"""A net as it is served: with the normalisation in front of it, or without.

Shapes: B batch, C channels, H height, W width, D features, K outputs.
"""

import torch
from torch import Tensor, nn


class Served(nn.Module):
    """`net` behind gain * x + shift, for values as they are stored: pixels of 8 bits, or rows of a table.

    `gain` and `shift` broadcast with a batch: (C, 1, 1), (D,) or ().
    """

    gain: Tensor
    shift: Tensor

    def __init__(self, net: nn.Module, gain: Tensor, shift: Tensor):
        super().__init__()
        self.net = net
        self.register_buffer("gain", gain)
        self.register_buffer("shift", shift)

    def forward(self, x_B: Tensor) -> Tensor:
        """Return output_BK."""
        return self.net(x_B.to(torch.float32) * self.gain + self.shift)

    def stored(self, x_B: Tensor) -> Tensor:
        """Return what a normalised batch was made of: uint8 (B, C, H, W), or float32 (B, D)."""
        raw_B = (x_B - self.shift) / self.gain
        return raw_B.round().to(torch.uint8) if x_B.ndim == 4 else raw_B


class InUnits(nn.Module):
    """`net` with outputs times `std_K` plus `mean_K`: numbers in the units of the data."""

    mean_K: Tensor
    std_K: Tensor

    def __init__(self, net: nn.Module, mean_K: Tensor, std_K: Tensor):
        super().__init__()
        self.net = net
        self.register_buffer("mean_K", mean_K)
        self.register_buffer("std_K", std_K)

    def forward(self, x_B: Tensor) -> Tensor:
        """Return output_BK."""
        return self.net(x_B) * self.std_K + self.mean_K
