"""What is in a batch is found by name, however the batch nests it."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from src.fit.leaves import checksum, leaves, samples, tensors

ONE, TWO, THREE = torch.zeros(2, 3), torch.ones(2), torch.tensor(7.0)
Pair = namedtuple("Pair", "image label")  # as people write it


@dataclass
class Graph:
    nodes: Any
    edges: Any


@pytest.mark.parametrize(
    ("batch", "names"),
    [
        (ONE, [""]),
        ([ONE, TWO], ["[0]", "[1]"]),
        (Pair(ONE, TWO), ["[0]", "[1]"]),
        (OrderedDict(x=ONE, y={"mask": TWO, "text": "no tensor"}), ["x", "y.mask"]),
        ({"views": [ONE, (TWO, THREE)]}, ["views[0]", "views[1][0]", "views[1][1]"]),
        ([Graph(ONE, {"index": TWO})], ["[0].nodes", "[0].edges.index"]),
        ("text", []),
        (Graph, []),  # the class itself
        ([], []),
    ],
    ids=str,
)
def test_each_tensor_has_the_path_by_which_it_is_reached(batch: Any, names: list[str]) -> None:
    found = list(tensors(batch))
    assert [name for name, _ in found] == names
    for (_, tensor), expected in zip(found, (ONE, TWO, THREE), strict=False):
        assert tensor is expected


def test_what_is_no_tensor_is_a_leaf_too() -> None:
    assert list(leaves({"text": "a", "number": [1, None]})) == [("text", "a"), ("number[0]", 1), ("number[1]", None)]


@pytest.mark.parametrize(
    ("batch", "number"), [((ONE, TWO), 2), ({"scale": THREE, "x": torch.zeros(5)}, 5), ([THREE], None), ("text", None)]
)
def test_the_samples_are_counted_by_the_first_tensor_that_has_a_length(batch: Any, number: int | None) -> None:
    assert samples(batch) == number


def test_a_checksum_tells_values_shapes_and_texts_apart() -> None:
    batch = {"x": torch.arange(20.0), "text": "a"}
    others = [
        batch | {"x": torch.arange(20.0) + 1},
        batch | {"x": torch.arange(20.0).view(4, 5)},
        batch | {"text": "b"},
    ]
    assert checksum(batch) == checksum({"x": torch.arange(20.0), "text": "a"})
    assert all(checksum(batch | other) != checksum(batch) for other in others)
