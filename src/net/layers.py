"""The layers of any net by name, and the maps that they make of an image.

Shapes: C channels, H height, W width; a layer's map is what it gives for one image, (1, C, H, W).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

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
    found = as_map(output, x_1CHW)
    if found is None:
        shape = f"its output has shape {list(output.shape)}" if isinstance(output, Tensor) else "it gives no tensor"
        raise ValueError(
            f"layer={name}: no map with height and width, {shape}: {_such_as(mapping_layers(net, x_1CHW))}"
        )
    return found


def as_map(output: Any, x_1CHW: Tensor) -> Tensor | None:
    """Return what a layer gave for an image as a map (1, C, h, w); None where it is none.

    Some layers of transformers and ConvNeXt give (1, h, w, C). Height and width are where the two sizes have the
    image's proportion, to a pixel; windows and tokens have none of that.
    """
    if not isinstance(output, Tensor) or output.ndim != 4:
        return None
    ratio = x_1CHW.shape[3] / x_1CHW.shape[2]
    _, first, second, third = output.shape
    off = {"first": abs(second * ratio - third), "last": abs(first * ratio - second)}
    if min(off.values()) > 1:
        return None
    return output.movedim(3, 1) if off["last"] < off["first"] else output


def mapping_layers(net: nn.Module, x_1CHW: Tensor) -> list[str]:
    """Return the names of the layers that make maps of more than one value, in the order in which they end.

    Pooling to a fixed size makes 7 x 7 pixels of one, all alike.
    """

    def varies(output: Any) -> bool:
        found = as_map(output, x_1CHW)
        return found is not None and bool((found != found[..., :1, :1]).any())

    calls = _calls(net, x_1CHW, named_layers(net), keep=varies)
    return list(dict.fromkeys(name for name, has_map in calls if has_map))


def filters_of(net: nn.Module, name: str, shape: Sequence[int]) -> Tensor:
    """Return the filters of a layer (N, C, H, W), C being 1, or 3 where it sees colours.

    They are a convolution's weights, one for each pair of output and input where its inputs are no colours, or a linear
    layer's where it sees every pixel of an image of `shape` (C, H, W). Raises ValueError where the layer has none.
    """
    layer, suiting = find_layer(net, name), filter_layers(net, shape)
    if layer not in [find_layer(net, suited) for suited in suiting]:
        raise ValueError(f"layer={name}: it has no filters to show: {_such_as(suiting)}")
    weight = layer.weight
    assert isinstance(weight, Tensor)
    weight = weight.detach().cpu()
    weight = weight if weight.ndim == 4 else weight.view(-1, *shape)
    return weight if weight.shape[1] in (1, 3) else weight.flatten(0, 1)[:, None]


def filter_layers(net: nn.Module, shape: Sequence[int]) -> list[str]:
    """Return the names of the layers that have filters, as in `filters_of`."""
    weights = {name: getattr(layer, "weight", None) for name, layer in named_layers(net).items()}
    found = {name: weight.shape for name, weight in weights.items() if isinstance(weight, Tensor)}
    first = next(iter(found), None)  # a linear layer behind others may have as many inputs, but they are no pixels
    return [
        name for name, size in found.items() if len(size) == 4 or (name == first and size[1:] == (math.prod(shape),))
    ]


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
    if not suiting:
        return "no layer of this net has any"
    return (
        f"choose one of {len(suiting)}, {suiting[0]} to {suiting[-1]}" if len(suiting) > 1 else f"choose {suiting[0]}"
    )


def _copied(output: Any) -> Any:
    """Return a copy: an in-place activation after the layer would write into its output."""
    return output.clone() if isinstance(output, Tensor) else output
