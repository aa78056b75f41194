"""U-Net (Ronneberger, Fischer and Brox 2015, arXiv:1505.04597): an output for every pixel.

Shapes: B batch, C channels, H height, W width, K outputs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UNet(nn.Module):
    """Goes down `depth` levels, each half the size and twice the channels, and up again beside what it saw there.

    The first level has `width` channels; the paper's are 64 and depth 4. Unlike there, convolutions are padded, so that
    the output (K, H, W) has the size of the input, whatever that is, and followed by BatchNorm unless `batch_norm` is
    off.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, width: int = 64, depth: int = 4, batch_norm: bool = True):
        super().__init__()
        if len(shape) != 3:
            raise ValueError(f"shape {list(shape)}: U-Net takes images, [channels, height, width]")
        if width < 1 or depth < 1:
            raise ValueError(f"model.net.width={width}, model.net.depth={depth}: set at least 1 each")
        widths = [width * 2**level for level in range(depth + 1)]
        self.depth = depth
        inputs = [shape[0], *widths[:-1]]
        self.down = nn.ModuleList(_pair(a, b, batch_norm=batch_norm) for a, b in zip(inputs, widths, strict=True))
        self.widen = nn.ModuleList(nn.ConvTranspose2d(2 * b, b, 2, stride=2) for b in reversed(widths[:-1]))
        self.up = nn.ModuleList(_pair(2 * b, b, batch_norm=batch_norm) for b in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BKHW."""
        H, W = x_BCHW.shape[-2:]
        unit = 2**self.depth
        x = F.pad(x_BCHW, (0, -W % unit, 0, -H % unit), mode="replicate") if H % unit or W % unit else x_BCHW
        seen: list[Tensor] = []
        for level, layers in enumerate(self.down):
            x = layers(x if level == 0 else F.max_pool2d(x, 2))
            seen.append(x)
        for widen, layers, beside in zip(self.widen, self.up, reversed(seen[:-1]), strict=True):
            x = layers(torch.cat([beside, widen(x)], dim=1))
        return self.head(x)[..., :H, :W]


def _pair(inputs: int, outputs: int, *, batch_norm: bool) -> nn.Sequential:
    """Return two convolutions of 3 x 3, each with what follows it."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=not batch_norm))
        layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
