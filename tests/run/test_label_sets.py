"""A set of labels survives its way through a cell, whatever the labels are called."""

from itertools import compress, product

import pytest

from src.run.label_sets import joined, parted


@pytest.mark.parametrize("names", [["a", "b", "c"], ["a|b", "c", "d"], ["a|b", "c;d", "e,f"], ["|;,/", "b", "a"]])
def test_every_set_is_read_as_it_was_written(names: list[str]) -> None:
    texts = set()
    for chosen in product((False, True), repeat=3):
        text = joined(compress(names, chosen), names)
        assert [number in parted(text, names) for number in range(3)] == list(chosen)
        texts.add(text)
    assert len(texts) == 8
