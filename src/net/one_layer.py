"""One linear layer: a perceptron, linear regression or softmax regression, which their loss tells apart.

The cost of softmax regression can be written in five ways that are one number: one-hot labels times -log(softmax),
summed over classes and averaged over the batch; the same with `F.softmax`; with `F.log_softmax`; `F.nll_loss` of
`F.log_softmax`; `F.cross_entropy` of the scores.

Shapes: B batch, K outputs.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class OneLayer(nn.Module):
    """A linear layer on the flattened input, of any `shape`, to `outputs` numbers; a softmax or a step is not in it."""

    def __init__(self, shape: Sequence[int], outputs: int):
        super().__init__()
        self.linear = nn.Linear(math.prod(shape), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return output_BK for x of shape (B, ...)."""
        return self.linear(x.flatten(1))
