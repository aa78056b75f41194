"""A fully connected net for Fashion-MNIST: 784-256-128-10 with dropout after the first layer.

Shapes: B batch, K classes.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class FashionDNN(nn.Module):
    """Three linear layers with ReLU between them, on the flattened input of any `shape`.

    The published code drops whole "channels" of a vector (`Dropout2d`), which PyTorch deprecates: `Dropout` does the
    same to vectors.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, dropout: float = 0.25):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, 128),
            nn.ReLU(),
            nn.Linear(128, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits_BK for x of shape (B, ...)."""
        return self.layers(x)
