"""Whether a dataset is what its config states.

Shapes: N samples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from src.data.read.choose import choose
from src.data.read.rows import Images, Rows


def verified(images: Images, target_N: Tensor, *, labels: Sequence[str] | None, numbers: Sequence[int] | None) -> Rows:
    """Return samples and targets, and which are of the chosen classes; raise ValueError where the config states others.

    `labels` name all classes, None for regression; `numbers` are those of the chosen ones, None for all.
    """
    if not len(images) or len(images) != len(target_N):
        raise ValueError(f"{len(images)} samples and {len(target_N)} targets: a dataset has as many of each, and some")
    if labels is not None:
        low, high = int(target_N.min()), int(target_N.max())
        if low < 0 or high >= len(labels):
            raise ValueError(
                f"label {low if low < 0 else high} in the data, but data.classes names {len(labels)} classes, "
                f"0 to {len(labels) - 1}: name every class in data.classes"
            )
    if numbers is None:
        return images, target_N, torch.arange(len(target_N))
    return images, *choose(target_N, numbers)
