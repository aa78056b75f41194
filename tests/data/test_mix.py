"""Mixup and CutMix are what their papers say, a function of the generator alone."""

import pytest
import torch

from src.data.transform.mix import Mix
from src.data.transform.prepare import generator


def batch(samples=6, side=8):
    """Images that are their own class number everywhere, and these numbers."""
    target_B = torch.arange(samples)
    return target_B.float().view(-1, 1, 1, 1).expand(samples, 3, side, side).clone(), target_B


@pytest.mark.parametrize("mix", [Mix(mixup=0.4, classes=6), Mix(cutmix=1.0, classes=6), Mix(0.4, 1.0, classes=6)])
@pytest.mark.parametrize("step", range(8))
def test_the_share_of_each_class_in_the_target_is_its_share_of_the_pixels(mix, step):
    x_B, target_B = batch()
    mixed_B, share_BK = mix(x_B, target_B, generator(0, 2, 0, step))
    torch.testing.assert_close(share_BK.sum(1), torch.ones(6))
    torch.testing.assert_close(mixed_B.mean(dim=(1, 2, 3)), share_BK @ torch.arange(6.0))


def test_cutmix_pastes_one_box_and_leaves_the_rest():
    x_B, target_B = batch()
    pasted = 0
    for step in range(20):
        mixed_B, share_BK = Mix(cutmix=1.0, classes=6)(x_B, target_B, generator(0, 2, 0, step))
        for image, own, share_K in zip(mixed_B, target_B, share_BK, strict=True):
            others = image[0] != own
            if others.any():
                pasted += 1
                rows, columns = others.any(1).nonzero(), others.any(0).nonzero()
                box = image[0, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                assert box.unique().numel() == 1
                assert share_K[own] == pytest.approx(1 - box.numel() / 64)
    assert pasted > 20


def test_mixup_shares_are_beta_distributed():
    x_B, target_B = batch(2)
    mix = Mix(mixup=0.2, classes=2)
    shares = [mix(x_B, target_B, generator(0, 2, 0, step))[1].max(1).values[0].item() for step in range(400)]
    larger = torch.distributions.Beta(0.2, 0.2).sample((100_000,))
    expected = torch.maximum(larger, 1 - larger).mean().item() * 0.5 + 0.5  # half the time the partner is the sample
    assert sum(shares) / len(shares) == pytest.approx(expected, abs=0.03)


def test_numbers_and_probabilities_are_mixed_as_they_are():
    x_B, target_B = batch()
    mixed_B, mixed_target_B = Mix(mixup=1.0)(x_B, target_B * 10, generator(0, 2, 0, 0))
    torch.testing.assert_close(mixed_B.mean(dim=(1, 2, 3)) * 10, mixed_target_B)


def test_the_same_generator_mixes_the_same_and_the_batch_stays_as_it_was():
    x_B, target_B = batch()
    before = x_B.clone()
    first, again = (Mix(0.5, 1.0, 6)(x_B, target_B, generator(3, 2, 1, 4)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert torch.equal(x_B, before)
