"""A few images to look at: one of each class, and a batch as the net sees it.

Shapes: N samples, B batch, C channels, H height, W width.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from src.data.module import Data
from src.data.read.rows import Images


def one_per_class(images: Images, target_N: Tensor, classes: Sequence[str], *, skips: bool) -> dict[str, np.ndarray]:
    """Return the first image (C, H, W) of each class that has one; with `skips`, the first that can be decoded."""
    found = {}
    for number, name in enumerate(classes):
        for row in (target_N == number).nonzero().squeeze(1).tolist():
            try:
                found[name] = images[row].numpy()
            except ValueError:
                if not skips:
                    raise
                continue
            break
    return found


def batch(data: Data, most: int) -> tuple[np.ndarray, list[str]]:
    """Return images (B, C, H, W) of the first training batch, `most` or fewer, and what they are.

    Augmented, with the normalisation undone, in [0, 1]. A mixed image is what the larger part of it is.
    """
    x_BCHW, target_B = next(iter(data.train_dataloader()))
    x_BCHW, target_B = x_BCHW[:most], target_B[:most]
    if not data.classes:
        titles = [f"{target:.3g}" for target in target_B.tolist()]
    else:
        number_B = target_B.round().long() if target_B.ndim == 1 else target_B.argmax(dim=1)
        titles = [data.classes[number] for number in number_B.tolist()]
    return data.normalize.invert(x_BCHW).numpy(), titles
