"""Discs and squares over two photographs that come with scikit-learn, and the pixels that are of each.

Shapes: N samples, H height, W width.
"""

import numpy as np
import torch
from torch import Tensor

from src.data.dataset import dataset

SIDE = 32  # pixels of an image
SAMPLES = {"train": 2000, "test": 500}
TRAINED = 0.75  # of a photograph's width, from the left; test images are cut from the rest
SHAPES = 2  # in an image, at most
BACKGROUND, DISC, SQUARE = 0, 1, 2


@dataset()
def discs_squares(*, told_apart: bool = True, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, 32, 32) as uint8 and the class of each pixel (N, 32, 32): background, disc or square.

    Each has one or two, of random place, size and colour, the later over the earlier, of which the photograph shines
    through a little. Where they are not `told_apart` both are of class 1.
    """
    from sklearn.datasets import load_sample_images  # 0.3 s that only this dataset needs

    part = "test" if split == "test" else "train"
    random = np.random.default_rng(len(part))
    photos = [_side(np.asarray(photo), part) for photo in load_sample_images().images]
    made = [_image(photos[number % len(photos)], random) for number in range(SAMPLES[part])]
    images_NHWC, masks_NHW = (np.stack(parts) for parts in zip(*made, strict=True))
    masks_NHW = masks_NHW if told_apart else np.minimum(masks_NHW, 1)
    return torch.from_numpy(images_NHWC).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks_NHW)


def _side(photo_HWC: np.ndarray, part: str) -> np.ndarray:
    edge = int(photo_HWC.shape[1] * TRAINED)
    return photo_HWC[:, edge:] if part == "test" else photo_HWC[:, :edge]


def _image(photo_HWC: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    top, left = (random.integers(size - SIDE + 1) for size in photo_HWC.shape[:2])
    image_HWC = photo_HWC[top : top + SIDE, left : left + SIDE].astype(np.float64)
    mask_HW = np.full((SIDE, SIDE), BACKGROUND)
    y_H1, x_1W = np.ogrid[:SIDE, :SIDE]
    for _ in range(random.integers(1, SHAPES + 1)):
        kind, radius = random.choice((DISC, SQUARE)), random.uniform(4, 10)
        y, x = random.uniform(4, SIDE - 4, size=2)
        away_HW = np.hypot(y_H1 - y, x_1W - x) if kind == DISC else np.maximum(abs(y_H1 - y), abs(x_1W - x))
        is_in_HW = away_HW <= radius
        share = random.uniform(0.8, 1)
        image_HWC[is_in_HW] = share * random.uniform(0, 255, size=3) + (1 - share) * image_HWC[is_in_HW]
        mask_HW[is_in_HW] = kind
    return (image_HWC + random.normal(0, 4, image_HWC.shape)).clip(0, 255).round().astype(np.uint8), mask_HW
