"""A choice of a dataset's classes: which samples stay, and their new numbers.

Shapes: N samples.
"""

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from torch import Tensor
from torch.utils.data import Subset

from src.data.batches import Images


def class_numbers(classes: Sequence[str], labels: Sequence[str]) -> list[int]:
    """Return the position of each of `classes` in `labels`, the names of all.

    Raises ValueError for an unknown name, suggesting the nearest, and for one that stands there twice.
    """
    for name in classes:
        if name not in labels:
            near = get_close_matches(name, labels, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(labels)}"
            raise ValueError(f"data.classes names {name!r}, which the dataset does not have: {hint}")
    if len(set(classes)) != len(classes):
        raise ValueError(f"data.classes={list(classes)}: names a class twice")
    return [labels.index(name) for name in classes]


def choose(images: Images, target_N: Tensor, numbers: Sequence[int]) -> tuple[Images, Tensor]:
    """Return the samples whose class is one of `numbers`, renumbered by its position there, in their order."""
    number_K = torch.tensor(numbers)
    match_NK = target_N[:, None] == number_K
    index_M = match_NK.any(dim=1).nonzero().squeeze(1)
    chosen: Images = (
        images[index_M] if isinstance(images, Tensor) else Subset(images, index_M.tolist())  # type: ignore[arg-type]
    )
    return chosen, match_NK[index_M].int().argmax(dim=1)
