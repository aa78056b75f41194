"""How many features an image leaves in front of the first linear layer, measured by trying.

Shapes: B batch, C channels, H height, W width, D features.
"""

from collections.abc import Sequence

import torch
from torch import nn


def flat_features(features: nn.Module, shape: Sequence[int]) -> int:
    """Return D, the flattened size of what `features` makes of one image of `shape` (C, H, W).

    Raises ValueError where the image is too small for the layers, which torch reports as a RuntimeError.
    """
    was_training = features.training
    features.eval()  # one image must not touch BatchNorm's statistics
    with torch.no_grad():
        try:
            out_1D = features(torch.zeros(1, *shape)).flatten(1)
        except RuntimeError as error:
            raise ValueError(f"an image of shape {list(shape)} is too small: its layers leave nothing of it") from error
    features.train(was_training)
    return out_1D.shape[1]
