"""Some rows of a batch, where several processes share it.

Shapes: R rows.
"""

from typing import NamedTuple

from torch import Tensor


class Part(NamedTuple):
    """Some rows of a batch, `rows` (R,), and the number of `samples` in all of it."""

    rows: Tensor
    samples: int
