"""An image shows the two digits that its labels name, of the split's own digits."""

from pathlib import Path

import pytest
import torch

from src.data.read import two_digits as module
from src.data.read.two_digits import SHIFT, two_digits
from tests import toy


@pytest.mark.parametrize("split", ["train", "test"])
def test_each_half_is_a_digit_of_the_split_and_the_labels_are_theirs(
    split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAMPLES", {"train": 40, "test": 40})
    pixels_NHW, label_N = toy.mnist_files(tmp_path)[split == "train"]
    image_N1HW, label_NK = two_digits.read(str(tmp_path), split=split)
    assert image_N1HW.shape == (40, 1, 28 + 2 * SHIFT, 56)
    number = {pixels_HW.tobytes(): label for pixels_HW, label in zip(pixels_NHW, label_N, strict=True)}
    for image_1HW, label_K in zip(image_N1HW, label_NK, strict=True):
        found = set()
        for left in (0, 28):
            half_HW = image_1HW[0, :, left : left + 28]
            windows = (half_HW[top : top + 28].contiguous() for top in range(2 * SHIFT + 1))
            (digit,) = {number[bytes(w.numpy().tobytes())] for w in windows if w.numpy().tobytes() in number}
            found.add(int(digit))
        assert label_K.nonzero().flatten().tolist() == sorted(found)


def test_the_images_are_the_same_at_every_call(tmp_path: Path) -> None:
    toy.mnist_files(tmp_path)
    first, second = (two_digits.read(str(tmp_path), split="test") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
