"""Normalisation, augmentation and resizing give what torchvision and Pillow give, one sample at a time."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop, v2
from torchvision.transforms.v2 import functional as F

from src.data.transform.normalize import Normalize
from src.data.transform.prepare import Augment, _boxes, fit, generator, resize

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


def one_by_one(
    x_BCHW: torch.Tensor, random: torch.Generator, *, padding: int, flip: bool, mode: str = "constant"
) -> torch.Tensor:
    """The slow way: draw the numbers, then pad, crop and flip each sample with torchvision."""
    B, _, H, W = x_BCHW.shape
    offset_B2 = torch.randint(0, 2 * padding + 1, (B, 2), generator=random)
    flip_B = torch.rand(B, generator=random) < 0.5
    done = []
    for x_CHW, (top, left), flips in zip(x_BCHW, offset_B2.tolist(), flip_B.tolist(), strict=True):
        cropped = F.crop(F.pad(x_CHW, [padding] * 4, padding_mode=mode), top, left, H, W)
        done.append(F.horizontal_flip(cropped) if flip and flips else cropped)
    return torch.stack(done)


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 9)])
@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_augment_pads_crops_and_flips_each_sample_as_torchvision_does(padding, flip, shape, mode):
    x_BCHW = pixels(16, *shape)
    got = Augment(padding, flip, padding_mode=mode)(x_BCHW, generator(1, 2, 3))
    assert got.dtype == torch.uint8
    assert torch.equal(got, one_by_one(x_BCHW, generator(1, 2, 3), padding=padding, flip=flip, mode=mode))


def test_augment_mirrors_the_samples_that_it_is_told_to():
    x_BCHW, flip_B = pixels(4, 1, 6, 6), torch.tensor([True, False, False, True])
    got = Augment(0, "alternating")(x_BCHW, generator(0), flip_B=flip_B)
    assert torch.equal(got, torch.where(flip_B[:, None, None, None], x_BCHW.flip(3), x_BCHW))


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


def test_a_random_resized_crop_is_torchvisions_of_the_same_box():
    x_BCHW = torch.randint(0, 256, (5, 3, 40, 30), dtype=torch.uint8)
    augment = Augment(random_resized_crop=(0.1, 1.0), size=(16, 16))
    cropped_BCHW = augment(x_BCHW, generator(0, 1, 2, 3))
    boxes_B4 = _boxes(5, (40, 30), (0.1, 1.0), generator(0, 1, 2, 3))
    for cropped_CHW, x_CHW, (top, left, height, width) in zip(cropped_BCHW, x_BCHW, boxes_B4.tolist(), strict=True):
        box_CHW = x_CHW[:, top : top + height, left : left + width]
        assert torch.equal(cropped_CHW, v2.Resize((16, 16), antialias=True)(box_CHW))


@pytest.mark.parametrize("size", [(256, 256), (60, 100), (20, 200)])
def test_boxes_lie_inside_with_the_stated_areas_and_aspect_ratios(size):
    H, W = size
    top_B, left_B, height_B, width_B = _boxes(4000, size, (0.08, 1.0), generator(0, 1, 0, 0)).T
    assert min(top_B.min(), left_B.min()) >= 0
    assert (top_B + height_B).max() <= H
    assert (left_B + width_B).max() <= W
    share_B, ratio_B = height_B * width_B / (H * W), width_B / height_B
    whole_B = (height_B == H) & (width_B == W)
    assert share_B[~whole_B].min() > 0.07
    assert ratio_B[~whole_B].min() > 0.7
    assert ratio_B[~whole_B].max() < 1.42
    if H == W:  # where torchvision's own draws come from the same distribution
        image_CHW = torch.empty(1, H, W)
        theirs = [RandomResizedCrop.get_params(image_CHW, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(2000)]
        their_share_B, their_height_B = torch.tensor([[h * w / (H * W), h] for _, _, h, w in theirs]).T
        assert share_B.mean().item() == pytest.approx(their_share_B.mean().item(), abs=0.03)
        assert height_B.float().std().item() == pytest.approx(their_height_B.std().item(), rel=0.1)


def test_the_mirrored_half_of_resized_crops_is_their_mirror_image():
    x_BCHW = torch.randint(0, 256, (64, 1, 20, 20), dtype=torch.uint8)
    crops = Augment(random_resized_crop=(0.5, 0.5), size=(8, 8))(x_BCHW, generator(0, 1, 0, 0))
    both = Augment(horizontal_flip=True, random_resized_crop=(0.5, 0.5), size=(8, 8))(x_BCHW, generator(0, 1, 0, 0))
    mirrored_B = (crops != both).flatten(1).any(1)
    assert torch.equal(both[mirrored_B], crops[mirrored_B].flip(-1))
    assert 16 < mirrored_B.sum() < 48


@pytest.mark.parametrize("size", [(32, 20), (20, 32), (224, 224), (9, 300)])
def test_fit_is_the_shorter_side_scaled_and_the_middle_cut_as_torchvision_does(size):
    x_NCHW = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    assert torch.equal(fit(x_NCHW, (16, 16)), v2.CenterCrop(16)(v2.Resize(16, antialias=True)(x_NCHW)))
