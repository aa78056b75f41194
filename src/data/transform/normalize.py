"""From stored values to those that a net sees.

Shapes: B batch, C channels, H height, W width.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from src.net.exported import Served


class Normalize:
    """Maps stored values to floats: divided by `scale`, then (x - mean) / std per channel.

    Without a `scale` the dtype says what becomes 1: 255 of uint8, 1 of floats and bool.
    """

    def __init__(self, mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,), *, scale: float | None = None):
        if len(mean) != len(std) or min(std) <= 0:
            raise ValueError(
                f"data.mean={list(mean)}, data.std={list(std)}: one of each per channel, and a std above 0"
            )
        if scale is not None and not 0 < scale < math.inf:
            raise ValueError(f"data.scale={scale}: the stored value that becomes 1, above 0, or null")
        self.mean = tuple(mean)
        self.std = tuple(std)
        self._stored = torch.uint8
        self._scale = scale
        self._affine: dict[tuple[torch.device, float], tuple[Tensor, Tensor]] = {}

    @property
    def scale(self) -> float:
        """What the dataset's samples are divided by."""
        return self.scale_of(self._stored)

    def store(self, dtype: torch.dtype) -> None:
        """Take the dataset's samples to be of a dtype; raise ValueError where that does not say how to scale them."""
        self.scale_of(dtype)
        self._stored = dtype

    def scale_of(self, dtype: torch.dtype) -> float:
        """Return what values of a dtype are divided by; raises ValueError where it does not say."""
        if self._scale is not None:
            return self._scale
        if dtype == torch.uint8:
            return 255.0
        if dtype == torch.bool or dtype.is_floating_point:
            return 1.0
        name = str(dtype).removeprefix("torch.")
        raise ValueError(
            f"data.scale=null: samples of {name} do not say which number becomes 1: set data.scale=1 to take them as "
            "they are, or to the largest that can be"
        )

    def affine(self, device: torch.device, scale: float | None = None) -> tuple[Tensor, Tensor]:
        """Return (gain, shift) on `device`, so that gain * x + shift is normalised: (C, 1, 1) or ()."""
        key = device, self.scale if scale is None else scale
        if key not in self._affine:  # one transfer per device and not one per batch
            mean_C, std_C = torch.tensor(self.mean, dtype=torch.float64), torch.tensor(self.std, dtype=torch.float64)
            pair = 1 / (std_C * key[1]), -mean_C / std_C
            shape = (-1, 1, 1) if len(self.mean) > 1 else ()
            gain, shift = (value_C.to(torch.float32).view(shape).to(device) for value_C in pair)
            self._affine[key] = gain, shift
        return self._affine[key]

    def __call__(self, x_BCHW: Tensor) -> Tensor:
        """Return a new float32 tensor of the same shape; any numeric dtype goes in."""
        gain, shift = self._fitting(x_BCHW, self.scale_of(x_BCHW.dtype))
        x_BCHW = x_BCHW.to(torch.float32, copy=True)
        return x_BCHW.mul_(gain).add_(shift)  # addcmul is 3 to 8 times slower: it does not vectorise broadcasting

    def invert(self, x_BCHW: Tensor) -> Tensor:
        """Return pixels in [0, 1] for pictures."""
        gain, shift = self._fitting(x_BCHW, self.scale)
        return ((x_BCHW - shift) / (gain * self.scale)).clamp(0, 1)

    def before(self, net: nn.Module, *, shape: Sequence[int]) -> Served:
        """Return a net that takes samples of a shape as they are stored."""
        gain, shift = self.affine(torch.device("cpu"))
        if len(shape) == 1:  # a table's features are its channels
            gain, shift = gain.flatten(), shift.flatten()
        return Served(net, gain, shift)

    def facts(self) -> dict[str, object]:
        """Return what who serves a net has to know of it: (x / scale - mean) / std."""
        return {"scale": self.scale, "mean": list(self.mean), "std": list(self.std)}

    def _fitting(self, x: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Return (gain, shift) for images, or for a table (B, D), whose features are its channels."""
        gain, shift = self.affine(x.device, scale)
        return (gain.flatten(), shift.flatten()) if x.ndim == 2 else (gain, shift)
