"""What is shown of a layer is what a hook by hand sees, in nets of every family, whatever their layout."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from src.explain import METHODS, View, chosen_layer
from src.net import attribution
from src.net.layers import filter_layers, filters_of, find_layer, map_of, mapping_layers
from src.net.torchvision import TorchvisionNet
from tests.conftest import Command

SIZES = {  # the least, but for some more pixels where the last layers would have one alone
    "alexnet": 64,
    "convnext_tiny": 64,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "googlenet": 32,
    "inception_v3": 75,
    "mobilenet_v3_small": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 64,
    "vgg11": 32,
    "vit_b_16": 32,
}
OPTIONS = {"vit_b_16": {"image_size": 32}}  # a transformer is built for one size
OWN = {"fashion_cnn": 28, "shallow_cnn": 48, "lenet5": 28, "xai_vgg": 48}
NHWC = {"convnext_tiny": "features.1.0.block.3", "swin_t": "features.1.0.mlp.0"}  # a linear layer of each


def built(name: str) -> tuple[nn.Module, Tensor]:
    """A net with drawn weights, also where torchvision's own are zeros, and an image."""
    torch.manual_seed(0)
    net = TorchvisionNet([3, SIZES[name], SIZES[name]], 3, name=name, **OPTIONS.get(name, {})).eval()
    for layer in net.modules():
        if isinstance(layer, nn.Linear) and not layer.weight.any():
            nn.init.normal_(layer.weight, std=0.1)
    return net, torch.randn(1, 3, SIZES[name], SIZES[name], generator=torch.Generator().manual_seed(1))


def by_hand(net: nn.Module, layer: str, x: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """What a layer gives and the gradient of a score with respect to it, as (1, C, h, w) of a square image."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()

    hook = find_layer(net, layer).register_forward_hook(keep)
    score = net(x.clone().requires_grad_())[0, target]
    hook.remove()
    output, gradient = kept[-1], torch.autograd.grad(score, kept[-1])[0]
    if output.shape[2] != output.shape[3]:
        output, gradient = output.permute(0, 3, 1, 2), gradient.permute(0, 3, 1, 2)
    return output.detach(), gradient


def assert_shown_right(name: str) -> None:
    """Maps and Grad-CAM are a hook's, saliency is the gradient, filters are the weights."""
    net, x = built(name)
    layers = mapping_layers(net, x)
    for layer in {layers[0], layers[len(layers) // 2], layers[-1], NHWC.get(name, layers[0])}:
        output, gradient = by_hand(net, layer, x, target=1)
        assert output.shape[2] == output.shape[3] > 1
        assert torch.equal(map_of(net, layer, x), output)
        expected = torch.einsum("c,chw->hw", gradient[0].mean(dim=(1, 2)), output[0]).relu()
        expected = F.interpolate(expected[None, None], size=x.shape[2:], mode="bilinear", align_corners=False)[0, 0]
        found = attribution.grad_cam(net, x, target=1, layer=layer)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * float(expected.max()))
    first = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    assert torch.equal(filters_of(net, filter_layers(net, list(x.shape[1:]))[0], list(x.shape[1:])), first.weight)


@pytest.mark.parametrize("name", ["squeezenet1_1", "swin_t"])
def test_what_is_shown_of_a_net_is_what_its_layers_give(name: str) -> None:
    assert_shown_right(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(SIZES) - {"squeezenet1_1", "swin_t"}))
def test_what_is_shown_of_every_net_is_what_its_layers_give(name: str) -> None:
    assert_shown_right(name)


@pytest.mark.soak
@pytest.mark.parametrize("name", [*OWN, *SIZES])
def test_every_net_is_explained_by_every_method(name: str, explain: Command, tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="captum is not installed: pip install -e '.[explain]'")
    Image.new("RGB", (80, 60), "orange").save(tmp_path / "x.png")
    net = [f"model={name}"] if name in OWN else ["model=torchvision", f"model.net.name={name}"]
    options = [f"model.net.{option}={value}" for option, value in OPTIONS.get(name, {}).items()]
    size = f"data.image_size={(OWN | SIZES)[name]}"
    ended = explain(*net, *options, "data=catdog", size, "input=x.png", "out=.", f"method=[{','.join(METHODS)}]", "n=4")
    assert (ended.code, ended.err) == (0, "")
    assert len(list((tmp_path / "figures").iterdir())) == len(METHODS)


def test_a_net_that_reads_numbers_out_of_tensors_while_it_is_built_passes_the_check(explain: Command) -> None:
    net = ("model=torchvision", "model.net.name=regnet_y_400mf", "data=catdog", "data.image_size=32")
    ended = explain(*net, "method=filters", "n=4", "out=.")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("layer", NHWC.items())
def test_a_map_with_channels_last_has_its_channels_first(layer: tuple[str, str]) -> None:
    net, x = built(layer[0])
    output = map_of(net, layer[1], x)
    assert output.shape == (1, 384, 16, 16)
    kept: list[Tensor] = []
    hook = find_layer(net, layer[1]).register_forward_hook(lambda module, inputs, output: kept.append(output))
    net(x)
    hook.remove()
    assert torch.equal(output[0, 7], kept[0][0, :, :, 7])


@pytest.mark.slow
def test_tokens_are_no_map_and_the_refusal_names_the_layer_that_is() -> None:
    net, x = built("vit_b_16")
    with pytest.raises(ValueError, match=r"has shape \[1, 5, 768\]: choose conv_proj$"):
        map_of(net, "encoder.layers.encoder_layer_0", x)


def test_grad_cam_takes_no_map_whose_pixels_are_all_alike() -> None:
    net, x = built("vgg11")  # its avgpool makes 7 x 7 of one pixel
    chosen = chosen_layer(net, View("grad_cam", None, Path("x.png")), list(x.shape[1:]))
    assert chosen == mapping_layers(net, x)[-1] != "avgpool"


def test_grad_cam_is_captums_where_channels_come_first() -> None:
    captum = pytest.importorskip("captum.attr", reason="captum is not installed: pip install -e '.[explain]'")
    net, x = built("resnet18")
    method: Callable[..., Tensor] = captum.LayerGradCam(net, find_layer(net, "layer3")).attribute
    expected = method(x, target=2, relu_attributions=True).detach()
    expected = F.interpolate(expected, size=x.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(attribution.grad_cam(net, x, target=2, layer="layer3"), expected)


def test_a_linear_layer_deep_in_a_net_has_no_filters_though_its_inputs_are_as_many_as_pixels() -> None:
    net = nn.Sequential(nn.Conv2d(3, 12, 1), nn.Flatten(), nn.Linear(12 * 16, 12), nn.Linear(12, 3))
    assert filter_layers(net, [3, 2, 2]) == ["0"]
    with pytest.raises(ValueError, match=r"layer=3: it has no filters to show: choose 0$"):
        filters_of(net, "3", [3, 2, 2])
