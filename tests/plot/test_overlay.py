"""Pictures of what pixels say."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from src.plot.overlay import overlay


@pytest.mark.parametrize("channels", [1, 3])
def test_the_image_and_the_values_are_shown_as_they_are(channels: int) -> None:
    random = np.random.default_rng(0)
    image, value = random.random((6, 9, channels)), random.normal(size=(6, 9))
    figure = overlay(image, value, title="grad_cam for $")
    first, second, third = (axes for axes in figure.axes if axes.images)
    np.testing.assert_array_equal(first.images[0].get_array(), image.squeeze())
    np.testing.assert_array_equal(second.images[0].get_array(), value)
    np.testing.assert_array_equal(third.images[1].get_array(), value)
    FigureCanvasAgg(figure).draw()


def test_zero_is_neutral_where_values_have_both_signs_and_dark_where_they_have_one() -> None:
    image = np.zeros((4, 4, 1))
    value = np.linspace(-1, 3, 16).reshape(4, 4)
    signed = overlay(image, value, title="").axes[1].images[0]
    assert signed.norm.vmin == -signed.norm.vmax
    assert np.ptp(signed.to_rgba(0.0)[:3]) < 0.05
    assert signed.norm.vmax < 3  # a share of the largest values may clip
    alone = overlay(image, np.abs(value), title="").axes[1].images[0]
    assert alone.norm.vmin == 0
    assert max(alone.to_rgba(0.0)[:3]) < 0.5 < max(to_rgb("white"))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_values_that_are_all_alike_break_no_picture(value: float) -> None:
    FigureCanvasAgg(overlay(np.zeros((4, 4, 3)), np.full((4, 4), value), title="")).draw()
