"""One convolution and one linear layer: the smallest convolutional net.

Shapes: B batch, C channels, H height, W width, K outputs.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from src.net.flat import flat_features


class ShallowCNN(nn.Module):
    """A 5 x 5 convolution to 16 channels, ReLU, pooling, and a linear layer, for images of `shape` (C, H, W)."""

    def __init__(self, shape: Sequence[int], outputs: int):
        super().__init__()
        self.parts = {"head": ["head"]}
        self.features = nn.Sequential(nn.Conv2d(shape[0], 16, kernel_size=5), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(flat_features(self.features, shape), outputs))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return output_BK."""
        return self.head(self.features(x_BCHW))
