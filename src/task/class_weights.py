"""How much each class counts in a loss: as stated, or inversely to how often the data have it.

Shapes: K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def stated(class_weights: str | Sequence[float], *, outputs: int) -> Tensor:
    """Return weight_K, ones where the data are to tell; raises ValueError where it is no weight per class."""
    if class_weights == "balanced":
        return torch.ones(outputs)
    if isinstance(class_weights, str) or len(class_weights) != outputs or min(class_weights) < 0:
        raise ValueError(
            f"model.class_weights={class_weights}: give a number from 0 for each of {outputs} classes, or balanced"
        )
    return torch.tensor(class_weights)


def balanced(count_K: Tensor) -> Tensor:
    """Return weight_K for the number of samples of each class: with these, all classes count alike.

    A class without samples weighs nothing.
    """
    return torch.where(count_K > 0, count_K.sum() / (len(count_K) * count_K), 0.0)
