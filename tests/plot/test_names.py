"""Names that are cut, wrapped or made smaller fit their place and stay unlike each other."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from src.plot.names import fitted, plain, shortened, wrapped

ALIKE = [f"a_rather_long_class_name_{number}" for number in range(1, 41)]


@pytest.mark.parametrize("length", [1, 2, 5, 18, 100])
def test_a_shortened_name_keeps_both_its_ends_and_fills_its_length(length: int) -> None:
    name = "".join(chr(number) for number in range(0x4E00, 0x4E00 + 60))
    short = shortened(name, length)
    assert len(short) == min(length, 60)
    head, _, tail = short.partition("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert 0 <= len(head) - len(tail) <= 1 or short == name


@pytest.mark.parametrize("length", [13, 16, 18, 21])
def test_names_with_a_common_beginning_or_a_common_end_stay_unlike(length: int) -> None:
    assert len({shortened(name, length) for name in ALIKE}) == 40
    assert len({shortened(name[::-1], length) for name in ALIKE}) == 40


@pytest.mark.parametrize("name", [*ALIKE, "grilled_cheese_sandwich", "ice cream with cherries", "W" * 32, "_" * 20])
def test_a_folded_name_loses_no_letter_in_two_lines(name: str) -> None:
    lines = wrapped(name, 16).split("\n")
    assert len(lines) == 2
    assert max(map(len, lines)) <= 16
    assert "".join(lines) == name.replace(" ", "") or " ".join(lines) == name


def test_a_name_folds_behind_a_word_and_is_shortened_where_two_lines_are_too_few() -> None:
    assert wrapped("spaghetti_bolognese", 16) == "spaghetti_\nbolognese"
    assert wrapped("chocolate_mousse", 16) == "chocolate_mousse"
    assert wrapped("Pneumonoultramicroscopic", 16) == "Pneumonoultr\namicroscopic"
    assert wrapped("a" * 30 + "b" * 30, 16) == "a" * 16 + "\n…" + "b" * 15


@pytest.mark.parametrize("text", ["i", "chocolate_mousse", "W" * 16, "short\n" + "W" * 16, "", "$\\frac$", "猫" * 16])
@pytest.mark.filterwarnings("ignore:Glyph")  # one that the font lacks is a box
def test_a_fitted_text_is_drawn_no_wider_than_its_place(text: str) -> None:
    size = fitted(text, 1.1, size=8)
    figure = Figure(dpi=720)
    drawn = figure.text(0, 0, text, fontsize=size, parse_math=False)
    FigureCanvasAgg(figure)
    assert 0 < size <= 8
    assert drawn.get_window_extent().width / 720 <= 1.1 * 1.02
    assert size == 8 or drawn.get_window_extent().width / 720 >= 1.1 * 0.9


def test_plain_text_is_no_mathematics() -> None:
    figure = Figure()
    wide = [
        figure.text(0, 0, text, parse_math=parse).get_window_extent(FigureCanvasAgg(figure).get_renderer()).width
        for text, parse in ((plain("$x$"), True), ("$x$", False))
    ]
    np.testing.assert_allclose(*wide)
