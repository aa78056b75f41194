"""Normalisation, augmentation and resizing give what torchvision and Pillow give, one sample at a time."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from src.data.prepare import Augment, Normalize, generator, resize

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def pixels(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("mean", "std", "channels"), [(MEAN, STD, 3), ((0.2860,), (0.3530,), 1), ((0.5,), (0.25,), 3)])
def test_normalize_is_torchvisions_in_float64(mean, std, channels):
    x_BCHW = pixels(5, channels, 6, 7)
    expected = v2.functional.normalize(x_BCHW.double() / 255, list(mean) * (channels // len(mean)), list(std))
    got = Normalize(mean, std)(x_BCHW)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=1e-6, atol=1e-6)


def test_normalize_without_statistics_gives_zero_to_one():
    x_BCHW = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    torch.testing.assert_close(Normalize()(x_BCHW), x_BCHW / 255)


def test_normalize_takes_one_mean_for_each_feature_of_a_table():
    x_BD = torch.randn(8, 3)
    expected = (x_BD - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(Normalize(MEAN, STD, scale=1.0)(x_BD), expected)


@pytest.mark.parametrize("x_BCHW", [pixels(2, 3, 4, 4), torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4).double()])
def test_normalize_leaves_its_input_alone(x_BCHW):
    before = x_BCHW.clone()
    Normalize(MEAN, STD)(x_BCHW)
    Normalize()(x_BCHW)
    Normalize(MEAN, STD).invert(x_BCHW)
    assert torch.equal(x_BCHW, before)


@pytest.mark.parametrize("shape", [(2, 3, 5, 5), (3, 5, 5)])
def test_invert_undoes_normalize(shape):
    x = pixels(*shape)
    normalize = Normalize(MEAN, STD)
    assert torch.equal((normalize.invert(normalize(x)) * 255).round().to(torch.uint8), x)


@pytest.mark.parametrize(("mean", "std"), [(MEAN, (1.0,)), ((0.5,), (0.0,)), ((0.5,), (-1.0,))])
def test_a_std_that_is_missing_or_not_above_zero_is_refused(mean, std):
    with pytest.raises(ValueError, match=r"data\.mean=.*data\.std="):
        Normalize(mean, std)


def one_by_one(x_BCHW: torch.Tensor, random: torch.Generator, *, padding: int, flip: bool) -> torch.Tensor:
    """The slow way: draw the numbers, then pad, crop and flip each sample with torchvision."""
    B, _, H, W = x_BCHW.shape
    offset_B2 = torch.randint(0, 2 * padding + 1, (B, 2), generator=random)
    flip_B = torch.rand(B, generator=random) < 0.5
    done = []
    for x_CHW, (top, left), flips in zip(x_BCHW, offset_B2.tolist(), flip_B.tolist(), strict=True):
        cropped = F.crop(F.pad(x_CHW, [padding] * 4, fill=0), top, left, H, W)
        done.append(F.horizontal_flip(cropped) if flip and flips else cropped)
    return torch.stack(done)


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 9)])
def test_augment_pads_crops_and_flips_each_sample_as_torchvision_does(padding, flip, shape):
    x_BCHW = pixels(16, *shape)
    got = Augment(padding, flip)(x_BCHW, generator(1, 2, 3))
    assert got.dtype == torch.uint8
    assert torch.equal(got, one_by_one(x_BCHW, generator(1, 2, 3), padding=padding, flip=flip))


def test_augment_decides_for_each_sample_and_not_for_the_batch():
    x_BCHW = pixels(1, 1, 8, 8).expand(2000, 1, 8, 8)  # one image, 2000 times
    got = Augment(1, True)(x_BCHW, generator(0))
    kinds, counts = got.unique(dim=0, return_counts=True)
    assert len(kinds) == 3 * 3 * 2  # every offset, flipped or not
    assert counts.min() > 60  # 111 expected; 5 standard deviations


def test_augment_that_does_nothing_is_false():
    assert not Augment()
    assert Augment(1)
    assert Augment(0, True)


def test_augment_leaves_its_input_alone():
    x_BCHW = pixels(4, 3, 8, 8)
    before = x_BCHW.clone()
    Augment(2, True)(x_BCHW, generator(0))
    assert torch.equal(x_BCHW, before)


def test_generator_is_a_function_of_its_whole_key():
    keys = [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 0),
        (0, 1, 0, 1),
        (0, 1, 1, 0),
        (2**32 - 1, 0, 0),
        (0, 12, 3),
        (0, 1, 23),
    ]
    draws = {tuple(torch.randint(0, 2**31, (4,), generator=generator(*key)).tolist()) for key in keys}
    again = {tuple(torch.randint(0, 2**31, (4,), generator=generator(*key)).tolist()) for key in keys}
    assert len(draws) == len(keys)
    assert draws == again


@pytest.mark.parametrize("size", [4, 28, 33])
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_is_pillows_antialiased_bilinear(size, channels):
    x_NCHW = pixels(3, channels, 28, 28)
    got = resize(x_NCHW, [size, size], chunk=2)
    assert got.shape == (3, channels, size, size)
    for x_CHW, mine in zip(x_NCHW, got, strict=True):
        image = Image.fromarray(x_CHW.permute(1, 2, 0).numpy().squeeze())
        expected = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
        found = mine.permute(1, 2, 0).numpy().squeeze().astype(int)
        assert np.abs(found - expected).max() <= 1


def test_resize_in_chunks_is_resize_at_once():
    x_NCHW = pixels(7, 3, 10, 12)
    assert torch.equal(resize(x_NCHW, [5, 9], chunk=2), v2.Resize([5, 9], antialias=True)(x_NCHW))
