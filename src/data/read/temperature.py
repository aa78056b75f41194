"""Eleven readings of a thermometer in unknown units, and the degrees Celsius they were.

From Stevens, Antiga and Viehmann, "Deep Learning with PyTorch" (2020), chapter 4.

Shapes: N samples.
"""

import torch
from torch import Tensor

from src.data.dataset import dataset

CELSIUS = (0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0)
READINGS = (35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4)


@dataset()
def temperature(*, split: str) -> tuple[Tensor, Tensor]:
    """Return readings (11, 1) and degrees Celsius (11,) as floats."""
    return torch.tensor(READINGS).unsqueeze(1), torch.tensor(CELSIUS)
