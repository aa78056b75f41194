"""Two digits of MNIST in one image, side by side and each a little higher or lower; the labels are the digits in it.

Shapes: N samples.
"""

from typing import Any

import torch
from torch import Tensor

from src.data.dataset import dataset
from src.data.read.mnist import mnist

SAMPLES = {"train": 20_000, "test": 5_000}
SHIFT = 4  # pixels that a digit may be higher or lower


@dataset()
def two_digits(data_dir: str, *, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28 + 2 SHIFT, 56) as uint8 and, for each of ten digits, whether it is there (N, 10).

    A test image is made of test digits. Two equal digits are one label.
    """
    part = "test" if split == "test" else "train"
    digit_N1HW: Any
    digit_N1HW, label_N = mnist.read(data_dir, split=part)
    random = torch.Generator().manual_seed(len(part))
    chosen_N2 = torch.randint(len(label_N), (SAMPLES[part], 2), generator=random)
    shift_N2 = torch.randint(2 * SHIFT + 1, (SAMPLES[part], 2), generator=random)
    images_N1HW = torch.zeros(SAMPLES[part], 1, 28 + 2 * SHIFT, 56, dtype=torch.uint8)
    for side in range(2):
        for shift in range(2 * SHIFT + 1):
            rows_M = (shift_N2[:, side] == shift).nonzero().squeeze(1)
            images_N1HW[rows_M, :, shift : shift + 28, 28 * side : 28 * side + 28] = digit_N1HW[chosen_N2[rows_M, side]]
    return images_N1HW, torch.zeros(SAMPLES[part], 10, dtype=torch.long).scatter(1, label_N[chosen_N2], 1)
