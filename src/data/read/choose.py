"""A choice of a dataset's classes: which samples stay, and their new numbers.

Shapes: N samples.
"""

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from torch import Tensor
from torch.utils.data import Subset

from src.data.read.rows import Images


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


def choose(target_N: Tensor, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return every target as its position in `numbers`, -1 where it is none of them, and which samples are, (M,)."""
    match_NK = target_N[:, None] == torch.tensor(numbers)
    chosen_N = match_NK.any(dim=1)
    return torch.where(chosen_N, match_NK.int().argmax(dim=1), -1), chosen_N.nonzero().squeeze(1)


def taken(images: Images, rows_M: Tensor) -> Images:
    """Return some of the images, in the order of `rows_M`; of files, none is decoded for that."""
    return images[rows_M] if isinstance(images, Tensor) else Subset(images, rows_M.tolist())  # type: ignore[arg-type]
