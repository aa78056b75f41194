"""A convolutional net for Fashion-MNIST: two convolution blocks and three linear layers.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from src.net.flat import flat_features


class FashionCNN(nn.Module):
    """Two convolution blocks and a head of three linear layers, for images of `shape` (C, H, W).

    As published there is no activation between the linear layers, and `Dropout` stands for the deprecated `Dropout2d`
    on vectors.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, dropout: float = 0.25):
        super().__init__()
        self.parts = {"head": ["head"]}
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat_features(self.features, shape), 600),
            nn.Dropout(dropout),
            nn.Linear(600, 120),
            nn.Linear(120, outputs),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        return self.head(self.features(x_BCHW))
