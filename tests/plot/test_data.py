"""The pictures of data show every sample they are given, under its own name."""

import io
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
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


LONG = [
    "grilled_cheese_sandwich", "lobster_roll_sandwich", "chocolate_mousse", "spaghetti_bolognese", "Pneumonoultramicro",
    "W" * 50, "i" * 50, "a name of words and of more words and of more", "$x$_and_$y$_and_\\frac", "cat",
]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 10, 32])
def test_no_title_of_a_gallery_is_cut_or_lies_on_another_or_on_an_image(count):
    titles = (LONG * 4)[:count]
    figure = gallery([np.zeros((1, 8, 8))] * count, titles, heading="one training image for 100 of 120 classes")
    FigureCanvasAgg(figure).draw()
    width, height = figure.bbox.size
    shown = [axis for axis in figure.axes if axis.images]
    boxes = [axis.title.get_window_extent() for axis in shown] + [figure._suptitle.get_window_extent()]
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    images = [axis.images[0].get_window_extent() for axis in shown]
    assert not any(box.overlaps(image) for box in boxes for image in images)
    assert min(image.width for image in images) > 1.05 * figure.dpi  # the room of short titles leaves less
    assert all(axis.title.get_fontsize() >= (4 if "WW" in axis.get_title() else 7) for axis in shown)


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


@pytest.mark.parametrize("classes", [41, 120, 200])
def test_bars_of_many_classes_lie_each_beside_its_name(classes):
    counts = {"train": list(range(classes)), "test": [3] * classes}
    figure = balance(counts, [f"class {n}" for n in range(classes)])
    (axis,) = figure.axes
    FigureCanvasAgg(figure).draw()
    assert [[bar.get_width() for bar in bars] for bars in axis.containers] == list(counts.values())
    names = axis.get_yticklabels()
    assert [name.get_text() for name in names] == [f"class {n}" for n in range(classes)]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("samples", "class")
    assert not any(one.get_window_extent().overlaps(two.get_window_extent()) for one, two in pairwise(names))
    for bars in axis.containers:
        for place, bar in enumerate(bars):
            assert place - 0.5 < bar.get_y() < bar.get_y() + bar.get_height() < place + 0.5


def test_the_numbers_of_a_thousand_classes_are_explained():
    figure = balance({"train": list(range(1000))}, [f"class {n}" for n in range(1000)])
    assert written(figure)
    assert "number" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize("classes", [3, 40, 50])
def test_long_names_leave_room_for_the_bars(classes):
    figure = balance({"train": [1] * classes}, ["W" * 100 + str(n) for n in range(classes)])
    assert written(figure)
    (axis,) = figure.axes
    assert axis.get_position().height > 0.1
    assert axis.get_position().width > 0.3
    assert all(name.get_fontsize() > 5 for name in (*axis.get_xticklabels(), *axis.get_yticklabels()))


def test_a_histogram_counts_every_target_once():
    targets = {"train": np.array([-4.0, 1.0, 28.0, 3.0]), "val": np.array([]), "test": np.array([0.0, 100.0])}
    (axis,) = histogram(targets, target="height (m)").axes
    assert sum(bar.get_height() for bars in axis.containers for bar in bars) == 6
    assert axis.get_xlabel() == "height (m)"
    assert axis.get_xlim()[0] <= -4
    assert axis.get_xlim()[1] >= 100
