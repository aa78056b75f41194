"""Images with a mask each, stored as one sample whose last channel is the mask: what moves the one moves the other.

Shapes: N samples, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from src.data.read.files import Files
from src.data.read.rows import Images
from src.task.segmentation import IGNORED


def paired(images: Images, target_N: Tensor, *, classes: int) -> tuple[Images, Tensor, int]:
    """Return samples (N, C + 1, H, W) where targets are masks (N, H, W), of which nothing is left, and 1; else 0.

    Raises ValueError for masks that do not fit the images, and for the number of a class that there is not.
    """
    if isinstance(images, Files):
        return images, target_N, int(images.masks is not None)
    if target_N.ndim != 3 or not isinstance(images, Tensor):
        return images, target_N, 0
    if images.ndim != 4 or (len(images), *images.shape[2:]) != tuple(target_N.shape):
        raise ValueError(
            f"images of shape {list(images.shape)} and masks of {list(target_N.shape)}: one mask per image"
        )
    found = [number for number in target_N.unique().tolist() if not 0 <= number < classes and number != IGNORED]
    if found:
        raise ValueError(
            f"a mask has class {found[0]:g}, but data.classes names {classes}, 0 to {classes - 1}: name every class; "
            f"{IGNORED} is of pixels that do not count"
        )
    return torch.cat([images, target_N[:, None].to(images.dtype)], dim=1), torch.zeros(len(images)).long(), 1


def without_masks(images: Images) -> Images:
    """Return the images alone."""
    if isinstance(images, Files):
        return images.plain()
    assert isinstance(images, Tensor)
    return images[:, :-1]


def numbering(numbers: Sequence[int] | None) -> Tensor:
    """Return which number each value of a stored mask is, (256,): of a choice of classes its place, else IGNORED."""
    table = torch.arange(256)
    if numbers is not None:
        table = torch.full((256,), IGNORED)
        table[list(numbers)] = torch.arange(len(numbers))
    return table
