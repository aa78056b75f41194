"""Pictures of channels and filters."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from src.plot.feature_maps import feature_maps, filters


@pytest.mark.parametrize("count", [1, 2, 10, 64, 300])
def test_every_channel_is_there_once_in_reading_order_on_its_own_scale(count: int) -> None:
    maps = np.random.default_rng(0).random((count, 6, 5)) * np.arange(1, count + 1)[:, None, None]
    axes = feature_maps(maps, title="").axes[0]
    assert len(axes.images) == count
    places = []
    for image, channel in zip(axes.images, maps, strict=True):
        scaled = np.asarray(image.get_array())
        np.testing.assert_allclose(scaled, (channel - channel.min()) / (channel.max() - channel.min()))
        left, right, bottom, top = image.get_extent()
        places.append(((top + bottom) / 2, (left + right) / 2))
        assert bottom > top  # upright, where rows count downwards
    assert places == sorted(places)
    assert len(set(places)) == count


def test_a_channel_of_one_value_is_a_cross_and_is_counted() -> None:
    maps = np.random.default_rng(0).random((5, 4, 4))
    maps[3] = 0.7
    figure = feature_maps(maps, title="a layer")
    axes = figure.axes[0]
    assert np.ma.getmaskarray(axes.images[3].get_array()).all()
    (cross,) = axes.lines
    assert list(zip(*cross.get_data(), strict=True)) == [(0, 1)]
    assert "1 of 5" in axes.get_title(loc="left")
    FigureCanvasAgg(figure).draw()


def test_an_odd_value_breaks_no_picture() -> None:
    maps = np.ones((3, 2, 2))
    maps[1, 0, 0], maps[2] = np.inf, np.nan
    figure = feature_maps(maps, title="$")
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes[0].lines[0].get_xdata()) == 3


def test_filters_share_one_scale_on_which_zero_is_the_middle() -> None:
    weights = np.zeros((2, 1, 3, 3))
    weights[0, 0, 0, 0], weights[1, 0, 1, 1] = -4.0, 1.0
    axes = filters(weights, title="").axes[0]
    assert [image.get_clim() for image in axes.images] == [(-4, 4), (-4, 4)]
    colours = np.random.default_rng(0).normal(size=(2, 3, 5, 5))
    axes = filters(colours, title="").axes[0]
    expected = np.moveaxis(colours, 1, -1) / (2 * np.abs(colours).max()) + 0.5
    np.testing.assert_allclose(axes.images[1].get_array(), expected[1])
