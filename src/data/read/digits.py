"""Handwritten digits, 1,797 images of 8 x 8 pixels: real data that comes with scikit-learn.

From the UCI archive "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998). It has no official test
set in scikit-learn: the last 360 samples are the test set, from other writers than most of the first ones.
"""

import torch
from torch import Tensor

from src.data.dataset import dataset

TEST_SAMPLES = 360


@dataset()
def digits(*, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 8, 8) as uint8 in 0..255 (stored as 0..16) and labels (N,) in 0..9."""
    from sklearn.datasets import load_digits  # 0.3 s that only this dataset needs

    bunch = load_digits()
    images_NCHW = torch.from_numpy(bunch.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
    part = slice(-TEST_SAMPLES, None) if split == "test" else slice(None, -TEST_SAMPLES)
    return images_NCHW[part], torch.from_numpy(bunch.target)[part]
