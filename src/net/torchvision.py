"""Any classifier of torchvision by its name, with as many input channels and outputs as the data want.

Shapes: B batch, C channels, H height, W width, K outputs.
"""

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from typing import get_type_hints

from torch import Tensor, nn
from torchvision import models


class TorchvisionNet(nn.Module):
    """The net that torchvision calls `name`, untrained, such as resnet18, vgg16, googlenet or mobilenet_v3_small.

    Its first convolution is replaced where `shape` (C, H, W) has other than three channels. Auxiliary heads, as
    googlenet has them for training, are left out. `options` are what torchvision's own constructor takes.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, name: str, **options: object):
        super().__init__()
        names = models.list_models(module=models)
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(names)}"
            raise ValueError(f"model.net.name={name}: torchvision has no such classifier: {hint}")
        options = _defaults(name) | options
        self.net = models.get_model(name, weights=None, num_classes=outputs, **options)
        if shape[0] != 3:
            _replace_first_convolution(self.net, shape[0])

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        return self.net(x_BCHW)


def _defaults(name: str) -> dict[str, object]:
    """Return what to tell nets with auxiliary heads: leave them out, and initialise as their paper does."""
    constructor = get_type_hints(models.get_model_builder(name))["return"]
    return (
        {"aux_logits": False, "init_weights": True} if "aux_logits" in inspect.signature(constructor).parameters else {}
    )


def _replace_first_convolution(net: nn.Module, channels: int) -> None:
    name, old = next((name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d))
    new = nn.Conv2d(
        channels,
        old.out_channels,
        kernel_size=old.kernel_size,  # type: ignore[arg-type]
        stride=old.stride,  # type: ignore[arg-type]
        padding=old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    net.set_submodule(name, new)
