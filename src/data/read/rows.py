"""Samples and their targets as a dataset stores them, and which of them are meant.

Shapes: N samples.
"""

from typing import Protocol

from torch import Tensor


class Images(Protocol):
    """Samples by position: a tensor (N, ...) or anything that decodes on demand."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Tensor: ...


Rows = tuple[Images, Tensor, Tensor]  # stored samples, a target for each, and which of them are meant
