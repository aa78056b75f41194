"""Pictures of images with captions."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from src.plot.tiles import RIGHT, WRONG, Tile, grid


def shown(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.images]


@pytest.mark.parametrize("count", [1, 2, 5, 36])
@pytest.mark.parametrize("shape", [(9, 7, 1), (9, 7, 3)])
def test_every_image_is_there_as_it_is_under_its_own_caption(count: int, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).random((count, *shape))
    figure = grid([Tile(image, f"number {number}") for number, image in enumerate(images)])
    for number, (axes, image) in enumerate(zip(shown(figure), images, strict=True)):
        np.testing.assert_array_equal(axes.images[0].get_array(), image.squeeze())
        assert axes.images[0].get_clim() == (0, 1)  # else a dark image would look like a bright one
        assert axes.get_title() == f"number {number}"
    FigureCanvasAgg(figure).draw()


def test_right_and_wrong_differ_in_more_than_colour() -> None:
    image = np.zeros((4, 4, 1))
    figure = grid([Tile(image, "a", True), Tile(image, "b", False), Tile(image, "c")])
    right, wrong, unknown = (axes.title for axes in shown(figure))
    assert (right.get_text()[0], wrong.get_text()[0], unknown.get_text()) == ("✓", "✗", "c")
    assert (right.get_color(), wrong.get_color()) == (RIGHT, WRONG)


@pytest.mark.parametrize("text", ["$", "$x$", "$\\frac$", "a_b^c", "{", "é ü 猫"[:3], "%s"])
def test_a_caption_is_shown_as_it_is_written(text: str) -> None:
    figure = grid([Tile(np.zeros((4, 4, 1)), text)], title=text)
    FigureCanvasAgg(figure).draw()  # here mathematics would be read
    assert shown(figure)[0].get_title().replace(r"\$", "$") == text


def test_captions_and_title_stay_inside_the_picture() -> None:
    long = "outputs/2026-11-20/18-05-12-3f9a: a-folder-with-quite-a-long-name/and-another-one/photo.png"
    for count in (1, 3, 7):
        figure = grid(
            [Tile(np.zeros((4, 4, 1)), "a-file-of-24-characters.\nis Sneaker\nAnkle boot 100%")] * count, title=long
        )
        FigureCanvasAgg(figure).draw()
        box = figure.get_window_extent()
        for text in (figure._suptitle, *(axes.title for axes in shown(figure))):
            extent = text.get_window_extent()
            assert extent.x0 >= box.x0
            assert extent.x1 <= box.x1
            assert extent.y1 <= box.y1
