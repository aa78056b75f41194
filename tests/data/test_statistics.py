"""Channel statistics are numpy's, in bounded memory and at any size."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from src.data import statistics as module
from src.data.statistics import statistics
from tests import toy


class Decoded:
    """Images that are decoded one at a time, each of its own size; every third cannot be."""

    def __init__(self, images: list[np.ndarray], *, bad: bool):
        self.images = images
        self.bad = bad

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        if self.bad and index % 3 == 0:
            raise ValueError(f"{index} is no image")
        return torch.from_numpy(self.images[index])


def sized() -> Iterator[np.ndarray]:
    """Ten images (3, H, W) of ten sizes."""
    random = np.random.default_rng(0)
    for side in range(2, 12):
        yield random.integers(0, 20 * side, (3, side, side + 1), dtype=np.uint8)


@pytest.mark.parametrize("chunk", [1, 400, 2**22])  # an image at a time, two, all
def test_the_statistics_of_images_in_memory_are_numpys(chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    pixels_NCHW, _ = toy.images(30, (3, 9, 7))
    mean_C, std_C = statistics(torch.from_numpy(pixels_NCHW), scale=255)
    np.testing.assert_allclose(mean_C, (pixels_NCHW / 255).mean((0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(std_C, (pixels_NCHW / 255).std((0, 2, 3)), rtol=1e-13)


@pytest.mark.parametrize("bad", [False, True])
def test_of_images_of_many_sizes_every_pixel_that_can_be_read_counts_once(bad):
    images = list(sized())
    mean_C, std_C = statistics(Decoded(images, bad=bad), scale=255, skips=bad)
    kept = [image for index, image in enumerate(images) if not bad or index % 3]
    pixels_CP = np.concatenate([image.reshape(3, -1) for image in kept], axis=1) / 255
    np.testing.assert_allclose(mean_C, pixels_CP.mean(1), rtol=1e-13)
    np.testing.assert_allclose(std_C, pixels_CP.std(1), rtol=1e-13)


def test_an_image_that_cannot_be_read_is_named():
    with pytest.raises(ValueError, match="0 is no image"):
        statistics(Decoded(list(sized()), bad=True), scale=255)


def test_the_statistics_of_a_table_are_those_of_its_features_in_the_scale_of_the_net():
    x_ND, _ = toy.table(50, 4, 3)
    mean_D, std_D = statistics(x_ND, scale=10)
    np.testing.assert_allclose(mean_D, x_ND.double().numpy().mean(0) / 10, rtol=1e-12)
    np.testing.assert_allclose(std_D, x_ND.double().numpy().std(0) / 10, rtol=1e-12)


def test_a_small_spread_about_a_large_mean_is_not_lost():
    x_N1 = torch.tensor([[1e8], [1e8 + 1], [1e8 + 2]], dtype=torch.float64)
    _, (std,) = statistics(x_N1, scale=1)
    assert std.item() == pytest.approx((2 / 3) ** 0.5, rel=1e-12)


def test_51_million_pixels_do_not_saturate():
    images_NCHW = torch.ones(1, 1, 1024, 1024, dtype=torch.uint8).expand(49, -1, -1, -1)  # which fill one megabyte
    (mean,), (std,) = statistics(images_NCHW, scale=1)
    assert (mean.item(), std.item()) == (1.0, 0.0)
