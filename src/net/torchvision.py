"""Any classifier of torchvision by its name, with as many input channels and outputs as the data want.

Shapes: B batch, C channels, H height, W width, K outputs.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from pathlib import Path
from typing import get_type_hints
from urllib.parse import urlparse

from torch import Tensor, nn
from torch.hub import get_dir
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
        self.name = name
        self.parts = {part: [f"net.{module}" for module in modules] for part, modules in _parts(self.net).items()}

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        return self.net(x_BCHW)

    def published(self, weights: str) -> dict[str, Tensor]:
        """Return the state dict that torchvision publishes as `weights`, such as IMAGENET1K_V1; it downloads it once.

        Raises ValueError where there are none of that name, FileNotFoundError where they cannot be fetched.
        """
        choices = models.get_model_weights(self.name)
        names = [choice.name for choice in choices]
        if weights not in names:
            raise ValueError(
                f"model.weights={weights}: torchvision publishes {', '.join(names) or 'none'} for {self.name}"
            )
        url = choices[weights].url
        file = Path(get_dir()) / "checkpoints" / Path(urlparse(url).path).name
        try:
            with redirect_stdout(sys.stderr):  # where torch says that it downloads
                state = choices[weights].get_state_dict(check_hash=True, progress=False)
        except (OSError, RuntimeError) as error:  # no network; a file whose hash is wrong
            raise FileNotFoundError(
                f"model.weights={weights}: cannot be fetched ({error}): put {url} at {file}, or give a run folder or a "
                f"checkpoint: model.weights=PATH"
            ) from error
        if "transform_input" in vars(self.net):  # these weights were trained on other means than the data's
            self.net.transform_input = True
        return {f"net.{name}": value for name, value in state.items() if not name.startswith("aux")}


def _parts(net: nn.Module) -> dict[str, list[str]]:
    """Return the names of the modules that are the head, and, of families with stages, of the last block and stage."""
    layers = [name for name, module in net.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return {"head": layers[-1:]} | LAST.get(type(net), lambda net: {})(net)


def _resnet(net: nn.Module) -> dict[str, list[str]]:
    last = len(net.layer4) - 1  # type: ignore[arg-type]
    return {"last_block": [f"layer4.{last}"], "last_stage": ["layer4"]}


def _vgg(net: nn.Module) -> dict[str, list[str]]:
    layers = list(net.features)  # type: ignore[arg-type]
    pools = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    convolutions = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    ranges = {"last_block": range(convolutions[-1], len(layers)), "last_stage": range(pools[-2] + 1, len(layers))}
    return {part: [f"features.{index}" for index in indices] for part, indices in ranges.items()}


def _googlenet(net: nn.Module) -> dict[str, list[str]]:
    return {"last_block": ["inception5b"], "last_stage": ["inception5a", "inception5b"]}


LAST: dict[type[nn.Module], Callable[[nn.Module], dict[str, list[str]]]] = {
    models.ResNet: _resnet,
    models.VGG: _vgg,
    models.GoogLeNet: _googlenet,
}


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
