"""A small residual net that learns CIFAR-10 in few epochs (Page 2018, "How to train your ResNet").

Shapes: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from src.net.flat import flat_features

SCALE = 0.125  # of the logits, as published


class ResNet9(nn.Module):
    """Eight 3 x 3 convolutions, two pairs of them residual, and a linear layer, for images of 8 pixels or more."""

    def __init__(self, shape: Sequence[int], outputs: int):
        super().__init__()
        self.parts = {"head": ["head"]}
        self.features = nn.Sequential(
            _convolution(shape[0], 64),
            nn.Sequential(_convolution(64, 128), nn.MaxPool2d(2), Residual(128)),
            nn.Sequential(_convolution(128, 256), nn.MaxPool2d(2)),
            nn.Sequential(_convolution(256, 512), nn.MaxPool2d(2), Residual(512)),
            nn.AdaptiveMaxPool2d(1),
        )
        flat_features(self.features, shape)  # says so where the image is too small
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(512, outputs, bias=False))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        return self.head(self.features(x_BCHW)) * SCALE


class Residual(nn.Module):
    """The input and what two convolutions make of it, added."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return a map of the same shape."""
        return x_BCHW + self.layers(x_BCHW)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
