"""The pictures of data show every sample they are given, under its own name."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from src.plot.balance import balance, histogram
from src.plot.gallery import gallery


def written(figure: Figure) -> bytes:
    """The picture as a file: what cannot be drawn fails here."""
    file = io.BytesIO()
    figure.savefig(file, dpi=50)
    return file.getvalue()


@pytest.mark.parametrize("count", [1, 2, 5, 7, 32])
def test_a_gallery_shows_each_image_once_under_its_title(count):
    images = [np.full((1, 2 + n, 3), n, dtype=np.uint8) for n in range(count)]
    figure = gallery(images, [f"class {n}" for n in range(count)])
    shown = {axis.get_title(): axis.images[0].get_array() for axis in figure.axes if axis.images}
    assert len(shown) == count
    for n in range(count):
        assert shown[f"class {n}"].shape == (2 + n, 3)
        assert (shown[f"class {n}"] == n).all()
    assert not any(axis.axison for axis in figure.axes)


def test_colours_stay_in_their_channels():
    red = np.zeros((3, 4, 4))
    red[0] = 1
    (axis,) = gallery([red], ["red"]).axes
    assert axis.images[0].get_array()[0, 0].tolist() == [1, 0, 0]


def test_names_are_shown_as_they_are_written():
    names = ["$x$ and $", "[bold]", "a_b^c", "\\frac"]
    figure = gallery([np.zeros((1, 2, 2))] * 4, names, heading="100 $")
    assert written(figure)
    assert written(balance({"train": [1, 2, 3, 4]}, names))


def test_the_bars_are_the_samples_of_each_class_and_split():
    counts = {"train": [5, 0, 7], "val": [1, 2, 3], "test": [4, 4, 4]}
    (axis,) = balance(counts, ["a", "b", "c"]).axes
    assert [[bar.get_height() for bar in bars] for bars in axis.containers] == list(counts.values())
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b", "c"]


def test_a_thousand_classes_are_drawn_without_their_names():
    assert written(balance({"train": list(range(1000))}, [f"class {n}" for n in range(1000)]))


def test_a_histogram_counts_every_target_once():
    targets = {"train": np.array([-4.0, 1.0, 28.0, 3.0]), "val": np.array([]), "test": np.array([0.0, 100.0])}
    (axis,) = histogram(targets).axes
    assert sum(bar.get_height() for bars in axis.containers for bar in bars) == 6
    assert axis.get_xlim()[0] <= -4
    assert axis.get_xlim()[1] >= 100
