"""The pictures of ideas hold the published numbers, read off their lines and labels."""

import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from src.plot.activations import activations
from src.plot.convolution import SHAPES, convolution, mean_filtered, output_size
from src.plot.neurons import neurons


def panels(figure: Figure) -> dict[str, dict[float, float]]:
    """The first curve of each panel, by the panel's title: {x: y}."""
    lines = {axis.get_title(): axis.lines[0].get_xydata() for axis in figure.axes}
    return {title: dict(np.asarray(points_N2).round(9).tolist()) for title, points_N2 in lines.items()}


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_the_activations_are_drawn_over_the_published_range_and_through_the_published_points():
    curves = panels(activations())
    assert set(curves) == {
        "tanh", "hardtanh", "sigmoid", "ReLU", "leaky ReLU, slope 0.1", "softmax of (x, 2, 3)",
    }  # fmt: skip
    for curve in curves.values():
        assert (min(curve), max(curve)) == (-10, 10)
    assert [round(curves["tanh"][x], 5) for x in (-2.2, 0.1, 2.5)] == [-0.97574, 0.09967, 0.98661]
    assert [curves["hardtanh"][x] for x in (-10, -0.5, 0.5, 10)] == [-1, -0.5, 0.5, 1]
    assert [round(curves["sigmoid"][x], 6) for x in (-2, 0)] == [round(1 / (1 + math.e**2), 6), 0.5]
    assert [curves["ReLU"][x] for x in (-10, 10)] == [0, 10]
    assert all(axis.get_xlabel() and axis.get_ylabel() for axis in activations().axes)
    assert [curves["leaky ReLU, slope 0.1"][x] for x in (-10, 10)] == [-1, 10]


def test_the_labels_of_the_activations_are_the_published_numbers():
    assert labels(activations()) == [
        "f(-2.2) = -0.97574", "f(0.1) = 0.09967", "f(2.5) = 0.98661", "0.0900", "0.2447", "0.6652",
    ]  # fmt: skip


def test_the_softmax_panel_goes_through_the_softmax_of_1_2_3():
    axis = activations().axes[-1]
    shares = [np.interp(1.0, *map(np.asarray, line.get_data())) for line in axis.lines if len(line.get_xdata()) > 1]
    assert [round(share, 4) for share in shares] == [0.0900, 0.2447, 0.6652]


# by hand, from the sums of exponentials: tanh(z) = 1 - 2 / (e^2z + 1)
@pytest.mark.parametrize("x", [-3.0, -1.0, 0.0, 0.5, 3.0])
def test_the_neurons_are_the_published_units_and_what_is_made_of_them(x):
    def tanh(z: float) -> float:
        return 1 - 2 / (math.exp(2 * z) + 1)

    a, b, c, d = tanh(-2 * x - 1.25), tanh(x + 0.75), tanh(4 * x + 1), tanh(-3 * x - 1.5)
    cab, dab = tanh(4 * (a + b) + 1), tanh(-3 * (a + b) - 1.5)
    drawn = [curve[x] for curve in panels(neurons()).values()]
    assert drawn == pytest.approx([a, b, c, d, a + b, c + d, cab, dab, cab + dab], abs=1e-8)


@pytest.mark.parametrize(
    ("first", "side", "kernel", "published"),
    [
        (0, 2, 2, [[1.5]]),
        (0, 4, 2, [[2.5, 3.5, 4.5], [6.5, 7.5, 8.5], [10.5, 11.5, 12.5]]),
        (0, 4, 3, [[5, 6], [9, 10]]),
        (16, 4, 3, [[21, 22], [25, 26]]),
    ],
)
def test_mean_filters_give_the_published_numbers_and_the_picture_shows_them(first, side, kernel, published):
    input_HW, output_HW = mean_filtered(first, side, kernel)
    assert input_HW.flatten().tolist() == list(range(first, first + side**2))
    np.testing.assert_allclose(output_HW, published, rtol=1e-12)
    shown = [text.get_text() for axis in convolution().axes for text in axis.texts]
    assert {f"{value:g}" for row in published for value in row} <= set(shown)


@pytest.mark.parametrize(("sizes", "kernels", "padding", "stride"), SHAPES)
def test_the_table_of_shapes_is_what_torch_gives(sizes, kernels, padding, stride):
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(sizes) - 1]
    with torch.device("meta"):
        torchs = layer(3, 2, kernels, padding=padding, stride=stride)(torch.empty(1, 3, *sizes)).shape[2:]
    mine = [output_size(size, k, padding=padding, stride=stride) for size, k in zip(sizes, kernels, strict=True)]
    assert mine == list(torchs)
    table = convolution().axes[-1].tables[0]
    assert " x ".join(map(str, torchs)) in {cell.get_text().get_text() for cell in table.get_celld().values()}


def test_the_shapes_cover_one_two_and_three_dimensions_and_one_by_one():
    assert {len(sizes) for sizes, *_ in SHAPES} == {1, 2, 3}
    assert (1, 1) in {kernels for _, kernels, *_ in SHAPES}


def test_the_formula_of_the_output_rounds_down_as_the_sizes_do():
    table = convolution().axes[-1].tables[0]
    assert "output ⌊(W - F + 2P) / S⌋ + 1" in {cell.get_text().get_text() for cell in table.get_celld().values()}
    assert output_size(32, 5, stride=2) == 14
