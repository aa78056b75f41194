"""The nets are the published ones: parameter counts by hand, shapes, and what is between the layers."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from src.net.fashion_cnn import FashionCNN
from src.net.fashion_dnn import FashionDNN
from src.net.flat import flat_features
from src.net.lenet5 import LeNet5
from src.net.one_layer import OneLayer

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
NETS = [FashionCNN, FashionDNN, LeNet5, OneLayer]


def conv(inputs: int, outputs: int, size: int) -> int:
    return outputs * (inputs * size * size + 1)  # + 1: its bias


def linear(inputs: int, outputs: int) -> int:
    return outputs * (inputs + 1)


def batch_norm(channels: int) -> int:
    return 2 * channels  # a gain and a shift


PUBLISHED = {
    FashionCNN: conv(1, 32, 3) + batch_norm(32) + conv(32, 64, 3) + batch_norm(64)
    + linear(64 * 6 * 6, 600) + linear(600, 120) + linear(120, 10),
    FashionDNN: linear(784, 256) + linear(256, 128) + linear(128, 10),
    OneLayer: linear(784, 10),
    LeNet5: conv(1, 6, 5) + conv(6, 16, 5) + linear(16 * 5 * 5, 120) + linear(120, 84) + linear(84, 10),
}  # fmt: skip


@pytest.mark.parametrize(
    ("net", "parameters"),
    [(FashionCNN, 1_475_338), (FashionDNN, 235_146), (OneLayer, 7_850), (LeNet5, 61_706)],
)
def test_a_net_has_the_published_number_of_parameters(net, parameters):
    assert PUBLISHED[net] == parameters
    assert sum(p.numel() for p in net(GREY, 10).parameters()) == parameters


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("shape", [GREY, COLOUR, (1, 20, 40)])
@pytest.mark.parametrize("outputs", [1, 7])
def test_a_net_gives_a_score_per_output_for_images_of_any_shape(net, shape, outputs):
    scores_BK = net(shape, outputs)(torch.rand(2, *shape))
    assert scores_BK.shape == (2, outputs)
    assert scores_BK.isfinite().all()


@pytest.mark.parametrize("net", [FashionDNN, OneLayer])
def test_a_fully_connected_net_takes_tables(net):
    assert net([4], 3)(torch.rand(5, 4)).shape == (5, 3)


@pytest.mark.parametrize(("net", "smallest"), [(FashionCNN, 8), (LeNet5, 12)])
def test_an_image_too_small_for_the_poolings_is_refused_and_the_smallest_that_fits_is_not(net, smallest):
    assert net((1, smallest, smallest), 10)(torch.rand(2, 1, smallest, smallest)).shape == (2, 10)
    with pytest.raises(ValueError, match=rf"\[1, {smallest - 1}, {smallest - 1}\] is too small"):
        net((1, smallest - 1, smallest - 1), 10)


def test_lenet5_without_padding_takes_the_papers_32_pixels():
    assert sum(p.numel() for p in LeNet5((1, 32, 32), 10, padding=0).parameters()) == 61_706


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 17)])
def test_flat_features_follow_from_the_shape(shape):
    layers = nn.Sequential(nn.Conv2d(shape[0], 5, kernel_size=3), nn.MaxPool2d(2))
    height, width = ((side - 2) // 2 for side in shape[1:])
    assert flat_features(layers, shape) == 5 * height * width


def test_measuring_flat_features_changes_nothing():
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    state = torch.get_rng_state()
    flat_features(layers, GREY)
    assert layers.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in layers.state_dict().items())


def test_fashion_cnn_has_no_activation_between_its_linear_layers():
    head = FashionCNN(GREY, 10).eval().head
    a, b = torch.randn(2, 1, 2304, dtype=torch.float64)
    head = head.double()
    shift = head(torch.zeros_like(a))  # an affine map keeps sums and multiples
    torch.testing.assert_close(head(2 * a - 3 * b) - shift, 2 * (head(a) - shift) - 3 * (head(b) - shift))


def test_fashion_dnn_is_three_matrix_products_with_two_relus():
    net = FashionDNN(GREY, 10).eval()
    first, second, last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    x_BCHW = torch.rand(3, *GREY)
    hidden_BD = (x_BCHW.view(3, 784) @ first.weight.T + first.bias).clamp(min=0)
    hidden_BD = (hidden_BD @ second.weight.T + second.bias).clamp(min=0)
    torch.testing.assert_close(net(x_BCHW), hidden_BD @ last.weight.T + last.bias)


def test_lenet5_is_the_papers_pipeline():
    net = LeNet5(GREY, 10)
    conv_1, conv_2 = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    *hidden, last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    x_BCHW = torch.rand(3, *GREY)
    x = F.avg_pool2d(torch.tanh(F.conv2d(F.pad(x_BCHW, [2] * 4), conv_1.weight, conv_1.bias)), 2)
    x = F.avg_pool2d(torch.tanh(F.conv2d(x, conv_2.weight, conv_2.bias)), 2).flatten(1)
    for layer in hidden:
        x = torch.tanh(F.linear(x, layer.weight, layer.bias))
    torch.testing.assert_close(net(x_BCHW), F.linear(x, last.weight, last.bias))


@pytest.mark.parametrize("net", [FashionCNN, FashionDNN])
def test_dropout_is_in_training_only_and_drops_the_stated_share(net):
    module = net(GREY, 10, dropout=0.25)
    x = torch.rand(4, *GREY)
    module.eval()
    assert torch.equal(module(x), module(x))
    (dropout,) = [layer for layer in module.modules() if isinstance(layer, nn.Dropout)]
    dropout.train()
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(100_000)) == 0).float().mean()
    assert abs(dropped - 0.25) < 0.01
    assert not torch.equal(module(x), module(x))


def test_softmax_regression_is_a_matrix_product():
    net = OneLayer(GREY, 10)
    x_BCHW = torch.rand(3, *GREY)
    torch.testing.assert_close(net(x_BCHW), x_BCHW.view(3, 784) @ net.linear.weight.T + net.linear.bias)


def test_five_ways_of_writing_the_cost_of_softmax_regression_are_one_number():
    torch.manual_seed(0)
    logits_BK = OneLayer(GREY, 10).double()(torch.rand(32, *GREY, dtype=torch.float64))
    target_B = torch.randint(0, 10, (32,))
    hot_BK = F.one_hot(target_B, 10)
    softmax_BK = logits_BK.exp() / logits_BK.exp().sum(dim=1, keepdim=True)
    costs = [
        (hot_BK * -softmax_BK.log()).sum(dim=1).mean(),
        (hot_BK * -F.softmax(logits_BK, dim=1).log()).sum(dim=1).mean(),
        (hot_BK * -F.log_softmax(logits_BK, dim=1)).sum(dim=1).mean(),
        F.nll_loss(F.log_softmax(logits_BK, dim=1), target_B),
        F.cross_entropy(logits_BK, target_B),
    ]
    by_hand = sum(-math.log(p_K[k]) for p_K, k in zip(softmax_BK.tolist(), target_B.tolist(), strict=True)) / 32
    for cost in costs:
        assert cost.item() == pytest.approx(by_hand, rel=1e-12)
