"""U-Net gives as many pixels as it gets, of any size, and is the paper's."""

import pytest
import torch

from src.net.unet import UNet


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (1, 40), (64, 30)])
def test_the_output_has_the_size_of_the_input(size: tuple[int, int]) -> None:
    net = UNet((3, *size), 5, width=4, depth=3)
    assert net(torch.zeros(2, 3, *size)).shape == (2, 5, *size)


def test_it_has_the_papers_weights() -> None:
    """Ronneberger's figure 1: two convolutions a level from 64 to 1024 channels, and back; 31.0 million numbers."""
    net = UNet((1, 572, 572), 2, batch_norm=False)
    expected = sum(9 * a * b + 9 * b * b + 2 * b for a, b in ((1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)))
    expected += sum(4 * 2 * b * b + b + 9 * 2 * b * b + 9 * b * b + 2 * b for b in (512, 256, 128, 64)) + 2 * 64 + 2
    assert sum(weight.numel() for weight in net.parameters()) == expected == 31_030_658


def test_a_pixel_sees_what_lies_far_beside_it_and_its_own_place() -> None:
    torch.manual_seed(0)
    net = UNet((1, 32, 32), 1, width=4, depth=3, batch_norm=False)
    x_BCHW = torch.rand(1, 1, 32, 32, requires_grad=True)
    net(x_BCHW)[0, 0, 16, 16].backward()
    assert x_BCHW.grad is not None
    far_HW = x_BCHW.grad[0, 0] != 0
    assert far_HW[16, 16]
    assert far_HW[4, 16]


def test_what_is_no_image_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"shape \[4\]: U-Net takes images"):
        UNet((4,), 2)
