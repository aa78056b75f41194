"""Which samples of an official split are for training and which are cut off it.

Shapes: N samples.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def cut(samples: int, fractions: Mapping[str, float], *, seed: int) -> dict[str, Tensor]:
    """Return indices (N,) by split of a random cut, each sorted, the same on every machine: "train" is what is left.

    `fractions` are the shares in [0, 1) that go to the other splits; 0 leaves one empty.
    """
    order_N = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
    parts, start = {}, 0
    for split, fraction in fractions.items():
        end = start + round(samples * fraction)
        parts[split] = order_N[start:end].sort().values
        start = end
    return {"train": order_N[start:].sort().values} | parts
