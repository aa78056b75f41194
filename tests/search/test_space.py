"""A search space: what is drawn lies in it, each part of it comes up, and what is none is refused in one line."""

import math
from collections import Counter
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from src.search.space import Range, at_random, overrides, read_space, text


def drawn(node: dict[str, Any], points: int = 2000) -> list[Any]:
    """The values of the one name of a space."""
    (name,), space = node, read_space(node)
    return [at_random(space, seed=0, number=number)[name] for number in range(points)]


def test_a_logarithmic_range_gives_each_power_of_ten_its_share() -> None:
    values = drawn({"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}})
    assert min(values) >= 1e-4
    assert max(values) <= 1e-1
    shares = Counter(math.floor(math.log10(value)) for value in values)
    assert all(shares[power] / len(values) == pytest.approx(1 / 3, abs=0.04) for power in (-4, -3, -2))


@pytest.mark.parametrize(
    ("node", "values"),
    [
        ({"low": 1, "high": 4}, {1, 2, 3, 4}),
        ({"low": 1, "high": 4, "log": True}, {1, 2, 3, 4}),
        ({"low": 8, "high": 32, "step": 8}, {8, 16, 24, 32}),
        ({"low": 0.0, "high": 0.5, "step": 0.25}, {0.0, 0.25, 0.5}),
        ({"low": 3, "high": 3}, {3}),
        ([16, "adam", None, [64, 64]], {"16", "adam", "null", "[64, 64]"}),
    ],
)
def test_every_value_comes_up_and_no_other(node: Any, values: set[Any]) -> None:
    assert set(drawn({"key": node})) == values


def test_a_key_draws_the_same_whatever_other_keys_there_are() -> None:
    lr = {"optimizer.lr": {"low": 0.0, "high": 1.0}}
    alone, beside = read_space(lr), read_space({"seed": [0, 1], **lr})
    assert [at_random(alone, seed=3, number=k)["optimizer.lr"] for k in range(9)] == [
        at_random(beside, seed=3, number=k)["optimizer.lr"] for k in range(9)
    ]


def test_a_range_is_one_whether_its_key_is_dotted_or_nested() -> None:
    dotted = {"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}}
    nested = {"optimizer": {"lr": {"high": 1e-2}}, "data": {"batch_size": None}}
    assert read_space(dotted | nested) == {"optimizer.lr": Range(1e-4, 1e-2, log=True)}


def test_a_choice_may_set_several_keys() -> None:
    space = read_space({"net": [{"model": "softmax_regression"}, {"model": "mlp", "model.net.widths": [64, 64]}]})
    assert overrides(space, {"net": "model=mlp model.net.widths=[64, 64]"}) == [
        "model=mlp",
        "model.net.widths=[64, 64]",
    ]


@pytest.mark.parametrize(
    "value", ["adam", "a b", "1e-3", "null", "true", "[1]", "a,b", 'say "x"', 1e-5, 7, None, [1, "a"]]
)
def test_hydra_reads_a_value_as_it_was(value: Any) -> None:
    read = OverridesParser.create().parse_override(f"key={text(value)}").value()
    assert read == value
    assert type(read) is type(value) or isinstance(value, str)


BAD = {
    "low above high": ({"lr": {"low": 2, "high": 1}}, ["search.space.lr", "low=2", "high=1"]),
    "logarithm of nothing": ({"lr": {"low": 0, "high": 1, "log": True}}, ["search.space.lr", "low=0", "above 0"]),
    "no high": ({"lr": {"low": 0}}, ["search.space.lr.high"]),
    "no number": ({"lr": {"low": 0, "high": "1"}}, ["search.space.lr.high=1"]),
    "a step with log": ({"lr": {"low": 1, "high": 9, "step": 2, "log": True}}, ["search.space.lr", "step=2"]),
    "a step back": ({"lr": {"low": 1, "high": 9, "step": -2}}, ["search.space.lr", "step=-2"]),
    "an unknown word": ({"lr": {"low": 1, "hihg": 9}}, ["search.space.lr.hihg", "did you mean high?"]),
    "an empty list": ({"lr": []}, ["search.space.lr=[]", "empty"]),
    "one value": ({"lr": 0.1}, ["search.space.lr=0.1", "list"]),
    "nothing": ({"lr": None}, ["search.space is empty"]),
}


@pytest.mark.parametrize(("node", "named"), BAD.values(), ids=BAD)
def test_what_is_no_space_is_named(node: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^search\.space") as caught:
        read_space(node)
    for word in named:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
