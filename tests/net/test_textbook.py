"""The nets of the texts beside the four of Fashion-MNIST: layers by name, parameters by hand, sizes they take."""

import pytest
import torch

from src.net.mlp import MLP
from src.net.shallow_cnn import ShallowCNN
from src.net.torchvision import TorchvisionNet
from src.net.xai_vgg import XaiVGG


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("shape", "outputs", "widths", "published"),
    [
        ((3, 32, 32), 2, [512], 1_574_402),  # cifar2_fc
        ((2,), 1, [10, 10, 10], 2 * 10 + 10 + 2 * (10 * 10 + 10) + 10 + 1),  # xor
        ((1,), 1, [8], 8 + 8 + 8 + 1),  # temperature
        ((1,), 1, [13], 40),
    ],
)
def test_a_multilayer_perceptron_has_the_published_parameters(shape, outputs, widths, published):
    assert parameters(MLP(shape, outputs, widths=widths)) == published


def test_the_layers_of_a_perceptron_have_the_names_of_the_text():
    assert [name for name, _ in MLP((1,), 1, widths=[8]).named_children()] == [
        "flatten", "hidden_linear", "hidden_activation", "output_linear",
    ]  # fmt: skip
    assert isinstance(MLP((1,), 1, widths=[8], activation="sigmoid").hidden_activation, torch.nn.Sigmoid)


def test_an_activation_that_torch_does_not_have_suggests_one():
    with pytest.raises(ValueError, match="did you mean sigmoid"):
        MLP((2,), 1, widths=[3], activation="sigmod")


def test_the_shallow_net_is_one_convolution_and_one_linear_layer():
    net = ShallowCNN((1, 28, 28), 1)
    assert net.head[1].in_features == 2304
    assert parameters(net) == 16 * (5 * 5 + 1) + 2304 + 1


def test_the_vgg_has_13_convolutions_without_bias_and_the_parameters_of_its_stages():
    widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    by_hand = sum(9 * a * b for a, b in zip([3, *widths], widths, strict=False)) + 2 * sum(widths)
    net = XaiVGG((3, 34, 34), 2)
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == widths
    assert [m.padding[0] for m in convolutions] == [0] + [1] * 12
    assert parameters(net) == by_hand + 512 * 512 + 2 * 512 + 512 * 2 + 2


def test_the_dropout_of_the_vgg_is_that_of_the_published_stages():
    net = XaiVGG((3, 34, 34), 2)
    assert [m.p for m in net.features if isinstance(m, torch.nn.Dropout)] == [0.3, 0.4] + [0.4, 0.4] * 3


@pytest.mark.parametrize("size", [34, 100])
def test_the_vgg_makes_one_row_of_one_image(size):
    with torch.device("meta"):
        assert XaiVGG((3, size, size), 2)(torch.zeros(2, 3, size, size)).shape == (2, 2)


def test_an_image_of_33_pixels_is_too_small_for_five_poolings():
    with pytest.raises(ValueError, match="too small"), torch.device("meta"):
        XaiVGG((3, 33, 33), 2)


@pytest.mark.parametrize(
    ("name", "size", "published"),  # torchvision's documentation, for 1000 classes and 3 channels
    [("resnet18", 64, 11_689_512), ("vgg16", 64, 138_357_544), ("mobilenet_v3_small", 64, 2_542_856)],
)
def test_a_net_of_torchvision_has_the_published_parameters_and_takes_grey_images(name, size, published):
    with torch.device("meta"):
        assert parameters(TorchvisionNet((3, size, size), 1000, name=name)) == published
        assert TorchvisionNet((1, size, size), 7, name=name)(torch.zeros(2, 1, size, size)).shape == (2, 7)


def test_googlenet_has_no_auxiliary_heads_in_training():
    with torch.device("meta"):
        net = TorchvisionNet((3, 64, 64), 5, name="googlenet").train()
        assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 5)
        assert parameters(TorchvisionNet((3, 64, 64), 1000, name="googlenet")) == 6_624_904


def test_a_name_that_torchvision_does_not_have_suggests_one():
    with pytest.raises(ValueError, match="did you mean resnet18"):
        TorchvisionNet((3, 32, 32), 2, name="resnet81")
