"""The digits that come with scikit-learn: all of them, exactly, in train and test."""

import pytest
import torch
from sklearn.datasets import load_digits

from src.data.read.digits import digits


def test_train_and_test_are_together_all_the_digits_exactly():
    parts = [digits.read(split="train" if train else "test") for train in (True, False)]
    assert [len(target_N) for _, target_N in parts] == [1437, 360]
    bunch = load_digits()
    images_NCHW = torch.cat([images for images, _ in parts])
    assert images_NCHW.dtype == torch.uint8
    stored = (images_NCHW[:, 0].double() * 16 / 255).round()
    assert torch.equal(stored, torch.from_numpy(bunch.images))
    assert torch.cat([target_N for _, target_N in parts]).tolist() == bunch.target.tolist()


@pytest.mark.parametrize("train", [True, False])
def test_every_digit_is_in_both_sets(train):
    assert digits.read(split="train" if train else "test")[1].unique().tolist() == list(range(10))
