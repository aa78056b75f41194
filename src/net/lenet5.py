"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition").

Shapes: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from src.net.flat import flat_features


class LeNet5(nn.Module):
    """Two convolutions with average pooling, three linear layers, tanh; for images of `shape` (C, H, W).

    The paper pads 28 x 28 digits to 32 x 32, hence `padding=2`; for images that are 32 x 32 already `padding=0` is
    the paper's net.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, padding: int = 2):
        super().__init__()
        self.parts = {"head": ["head"]}
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], 6, kernel_size=5, padding=padding),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat_features(self.features, shape), 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, outputs),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        return self.head(self.features(x_BCHW))
