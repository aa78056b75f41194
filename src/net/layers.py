"""The layers of any net by name, and the maps that they make of an image.

Shapes: C channels, H height, W width; a layer's map is what it gives for one image, (1, C, H, W).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn


def named_layers(net: nn.Module) -> dict[str, nn.Module]:
    """Return every layer by its name in `net`, or in what `net` wraps where it has nothing else than a `net`."""
    while [name for name, _ in net.named_children()] == ["net"]:
        net = net.get_submodule("net")
    return {name: layer for name, layer in net.named_modules() if name}


def find_layer(net: nn.Module, name: str) -> nn.Module:
    """Return the layer called `name`, such as features.0; raises ValueError that lists those there are."""
    layers = named_layers(net)
    found = layers.get(name) or layers.get(name.removeprefix("net."))
    if found is None:
        near = get_close_matches(name, layers, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"layer={name}: no such layer: {hint}(choose from {', '.join(layers)})")
    return found


def map_of(net: nn.Module, name: str, x_1CHW: Tensor) -> Tensor:
    """Return the map (1, C, H, W) that a layer makes of an image, the last one where it is called several times.

    Raises ValueError where it makes none, naming those that do.
    """
    layer = find_layer(net, name)
    calls = _calls(net, x_1CHW, {name: layer}, keep=_copied)
    output = calls[-1][1] if calls else None
    if not _is_map(output):
        found = f"its output has shape {list(output.shape)}" if isinstance(output, Tensor) else "it gives no tensor"
        raise ValueError(
            f"layer={name}: no map with height and width, {found}: {_such_as(mapping_layers(net, x_1CHW))}"
        )
    return output


def mapping_layers(net: nn.Module, x_1CHW: Tensor) -> list[str]:
    """Return the names of the layers that make maps of more than one pixel, in the order in which they end."""
    calls = _calls(net, x_1CHW, named_layers(net), keep=lambda output: _is_map(output) and output[0, 0].numel() > 1)
    return list(dict.fromkeys(name for name, has_map in calls if has_map))


def filters_of(net: nn.Module, name: str, shape: Sequence[int]) -> Tensor:
    """Return the filters of a layer (N, C, H, W), C being 1, or 3 where it sees colours.

    They are a convolution's weights, one for each pair of output and input where its inputs are no colours, or a linear
    layer's where it sees every pixel of an image of `shape` (C, H, W). Raises ValueError where the layer has none.
    """
    weight = getattr(find_layer(net, name), "weight", None)
    if isinstance(weight, Tensor) and weight.ndim == 2 and weight.shape[1] == math.prod(shape):
        weight = weight.view(-1, *shape)
    if not isinstance(weight, Tensor) or weight.ndim != 4:
        raise ValueError(f"layer={name}: it has no filters to show: {_such_as(filter_layers(net, shape))}")
    weight = weight.detach().cpu()
    return weight if weight.shape[1] in (1, 3) else weight.flatten(0, 1)[:, None]


def filter_layers(net: nn.Module, shape: Sequence[int]) -> list[str]:
    """Return the names of the layers that have filters, as in `filters_of`."""
    found = []
    for name, layer in named_layers(net).items():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Tensor) and (weight.ndim == 4 or weight.shape[1:] == (math.prod(shape),)):
            found.append(name)
    return found


def _calls(
    net: nn.Module, x_1CHW: Tensor, layers: Mapping[str, nn.Module], *, keep: Callable[[Any], Any]
) -> list[tuple[str, Any]]:
    """Return (name, what `keep` makes of the output) for every call of one of `layers`."""
    calls: list[tuple[str, Any]] = []

    def note(name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        calls.append((name, keep(output)))

    hooks = [layer.register_forward_hook(partial(note, name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            net(x_1CHW)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _such_as(suiting: Sequence[str]) -> str:
    return f"choose one of {len(suiting)}, {suiting[0]} to {suiting[-1]}" if suiting else "no layer of this net has any"


def _copied(output: Any) -> Any:
    """Return a copy: an in-place activation after the layer would write into its output."""
    return output.clone() if isinstance(output, Tensor) else output


def _is_map(output: Any) -> TypeGuard[Tensor]:
    return isinstance(output, Tensor) and output.ndim == 4
