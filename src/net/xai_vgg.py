"""A VGG for explaining what nets see: 13 convolutions in five stages, BatchNorm after each, dropout between them.

Shapes: B batch, C channels, H height, W width, K outputs.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from src.net.flat import flat_features


class Stage(NamedTuple):
    """One stage: the channels of each of its convolutions, and the dropout after each."""

    channels: Sequence[int]
    dropout: Sequence[float]


STAGES = (
    Stage((64, 64), (0.3, 0.0)),
    Stage((128, 128), (0.4, 0.0)),
    Stage((256, 256, 256), (0.4, 0.4, 0.0)),
    Stage((512, 512, 512), (0.4, 0.4, 0.0)),
    Stage((512, 512, 512), (0.4, 0.4, 0.0)),
)


class XaiVGG(nn.Module):
    """Five stages of convolutions without bias, and two linear layers, for images of 34 pixels or more.

    The very first convolution has no padding. The published `view(-1, 512)` makes nine rows of one 100 x 100 image;
    here the last map is averaged to 1 x 1 instead, which gives one row for every image size.
    """

    def __init__(self, shape: Sequence[int], outputs: int):
        super().__init__()
        layers: list[nn.Module] = []
        channels = shape[0]
        for stage in STAGES:
            for width, dropout in zip(stage.channels, stage.dropout, strict=True):
                convolution = nn.Conv2d(channels, width, kernel_size=3, padding=1 if layers else 0, bias=False)
                layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
                layers += [nn.Dropout(dropout)] if dropout else []
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        pools = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        last = {"last_block": len(layers) - 4, "last_stage": pools[-2] + 1}  # the last convolution is four from the end
        parts = {part: [f"features.{index}" for index in range(start, len(layers))] for part, start in last.items()}
        self.parts = {"head": ["head"]} | parts
        flat_features(self.features, shape)  # says so where the image is too small for five poolings
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(512, 512, bias=False),
            nn.Dropout(0.5),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(512, outputs),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BK; the published log-softmax read-out is part of the loss."""
        return self.head(self.pool(self.features(x_BCHW)))
