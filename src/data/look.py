"""A few images to look at: one of each class, and a batch as the net sees it.

Shapes: N samples, B batch, C channels, H height, W width.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from src.data.module import Data
from src.data.read.rows import Images
from src.plot.mask_rows import coloured
from src.run.label_sets import joined


def one_per_class(images: Images, target_N: Tensor, classes: Sequence[str], *, skips: bool) -> dict[str, np.ndarray]:
    """Return the first image (C, H, W) of each class that has one; with `skips`, the first that can be decoded."""
    found = {}
    for number, name in enumerate(classes):
        for row in is_of(target_N, number).nonzero().squeeze(1).tolist():
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
    sets = data.targets("train").ndim == 2
    x_BCHW, target_B = next(iter(data.train_dataloader()))
    x_BCHW, target_B = x_BCHW[:most], target_B[:most]
    titles = [target_text(target, data.classes, sets=sets) for target in target_B.tolist()]
    return data.normalize.invert(x_BCHW).numpy(), titles


def masked_batch(data: Data, most: int) -> tuple[list[np.ndarray], list[str]]:
    """Return images (3, H, W) of the first training batch as in `batch`, each before its mask, in colours."""
    x_BCHW, target_BHW = next(iter(data.train_dataloader()))
    found: list[np.ndarray] = []
    for image_CHW, target_HW in zip(data.normalize.invert(x_BCHW[:most]).numpy(), target_BHW.numpy(), strict=False):
        mask_HW3 = coloured(target_HW, len(data.classes or ()))
        found += [np.broadcast_to(image_CHW, (3, *target_HW.shape)), mask_HW3.transpose(2, 0, 1)]
    return found, ["", "mask"] * (len(found) // 2)


def is_of(target_N: Tensor, number: int) -> Tensor:
    """Return which samples are of a class, or have a label, (N,)."""
    return target_N[:, number] == 1 if target_N.ndim == 2 else target_N == number


def target_text(target: float | Sequence[float], classes: Sequence[str] | None, *, sets: bool = True) -> str:
    """Return a target in words: a number or several, a class, or a set of labels where the target is one.

    Else several numbers for classes are the shares of a mixed sample, which is called as the largest.
    """
    values = list(target) if isinstance(target, Sequence) else [target]
    if not classes:
        return ", ".join(f"{value:.3g}" for value in values)
    if not isinstance(target, Sequence):
        return classes[round(target)]
    if not sets:
        return classes[max(range(len(values)), key=values.__getitem__)]
    return joined((name for name, value in zip(classes, values, strict=True) if value > 0.5), classes)
