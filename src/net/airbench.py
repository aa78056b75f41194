"""A small net that learns CIFAR-10 in ten epochs (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", arXiv:2404.00498).

Shapes: N images, B batch, C channels, H height, W width, D values in a patch, K classes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.net.flat import flat_features

PATCH = 2  # pixels a side, of what the first layer sees
AT_ONCE = 128  # images whose patches are in memory
SCALE = 1 / 9  # of the logits, as published
BIAS_SCALE = 8  # its square, 64, is by how much faster than other weights the published biases learn


class Airbench(nn.Module):
    """Patches made white, three blocks of two 3 x 3 convolutions each, a linear layer; for images of 9 pixels or more.

    Until `whiten` has seen training images the first layer is an ordinary one. With `tta`, test-time augmentation, what
    the net gives in evaluation is the mean over six views of each image: as it is and moved by a pixel to either
    corner, each of them mirrored too.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, tta: bool = True):
        super().__init__()
        self.parts = {"head": ["head"]}
        self.tta = tta
        patches = 2 * shape[0] * PATCH**2
        self.whitening = nn.Conv2d(shape[0], patches, PATCH)
        nn.init.zeros_(self.whitening.bias)  # type: ignore[arg-type]  # it has one
        self.features = nn.Sequential(nn.GELU(), *_block(patches, 64), *_block(64, 256), *_block(256, 256))
        flat_features(nn.Sequential(self.whitening, self.features), shape)  # says so where the image is too small
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(256, outputs, bias=False))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        if self.head.training or not self.tta:  # where the head alone is trained, the rest is in evaluation
            return self._logits(x_BCHW)
        H, W = x_BCHW.shape[2:]
        padded_BCHW = F.pad(x_BCHW, [1, 1, 1, 1], mode="reflect")
        moved = padded_BCHW[:, :, :H, :W], padded_BCHW[:, :, 2:, 2:]
        # The image itself comes last: what listens to a layer keeps the last call.
        return (self._both_ways(moved[0]) + self._both_ways(moved[1])) / 4 + self._both_ways(x_BCHW) / 2

    def _both_ways(self, x_BCHW: Tensor) -> Tensor:
        return (self._logits(x_BCHW.flip(3)) + self._logits(x_BCHW)) / 2

    def _logits(self, x_BCHW: Tensor) -> Tensor:
        return self.head(self.pool(self.features(self.whitening(x_BCHW)))) * SCALE

    @torch.no_grad()
    def whiten(self, x_NCHW: Tensor, *, eps: float = 5e-4) -> None:
        """Set the first layer's weights so that what it makes of these images' patches is uncorrelated.

        They are the eigenvectors of the patches' covariance, each over the root of its eigenvalue + `eps`, and their
        negatives, as what follows keeps little of what is negative.
        """
        total_DD, patches = torch.zeros(()), 0
        for part_BCHW in x_NCHW.split(AT_ONCE):
            patch_ND = F.unfold(part_BCHW.double(), PATCH).movedim(1, 2).flatten(0, 1)
            total_DD, patches = total_DD + patch_ND.T @ patch_ND, patches + len(patch_ND)
        eigenvalue_D, eigenvector_DD = torch.linalg.eigh(total_DD / patches)
        filters_DD = (eigenvector_DD / (eigenvalue_D + eps).sqrt()).T.flip(0)  # the strongest first
        self.whitening.weight.copy_(torch.cat([filters_DD, -filters_DD]).view_as(self.whitening.weight))


class FastBias(nn.Module):
    """A BatchNorm that shifts and does not scale, whose shift learns faster by BIAS_SCALE squared under SGD.

    The parameter is the shift / BIAS_SCALE: its gradient is as much larger, and so is what its change does.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4, affine=False)
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return a map of the same shape."""
        return self.norm(x_BCHW) + (BIAS_SCALE * self.shift).to(x_BCHW.dtype).view(-1, 1, 1)


def _block(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        *(_convolution(inputs, outputs), nn.MaxPool2d(2), FastBias(outputs), nn.GELU()),
        *(_convolution(outputs, outputs), FastBias(outputs), nn.GELU()),
    ]


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution that at first hands its inputs on, beside random mixtures of them."""
    layer = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[:inputs].data)
    return layer
