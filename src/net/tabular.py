"""A ResNet for tables beside a linear layer.

From Gorishniy et al. (2021), "Revisiting Deep Learning Models for Tabular Data", arXiv:2106.11959, with LayerNorm for
BatchNorm, which takes a batch of one row; and the linear layer of wide and deep nets (Cheng et al. 2016,
arXiv:1606.07792), which is the best that there is where rows are few.

Shapes: B batch, D features, W width, K outputs.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class Tabular(nn.Module):
    """`blocks` residual blocks of `width` on the features, added to a linear layer of them.

    Categories come one-hot, so that the first layer's columns are their embeddings. The last layer of the blocks starts
    at zero: the net starts as the linear one.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, width: int = 128, blocks: int = 2, dropout: float = 0.2):
        super().__init__()
        features = math.prod(shape)
        self.linear = nn.Linear(features, outputs)
        self.first = nn.Linear(features, width)
        self.blocks = nn.ModuleList(Block(width, dropout=dropout) for _ in range(blocks))
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        """Return output_BK for x of shape (B, ...)."""
        x_BD = x.flatten(1)
        x_BW = self.first(x_BD)
        for block in self.blocks:
            x_BW = block(x_BW)
        return self.linear(x_BD) + self.head(x_BW)


class Block(nn.Module):
    """x_BW plus two linear layers of its norm, with dropout behind each."""

    def __init__(self, width: int, *, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x_BW: Tensor) -> Tensor:
        """Return x_BW with what the layers add."""
        return x_BW + self.layers(x_BW)
