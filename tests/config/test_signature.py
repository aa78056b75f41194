"""Which values of a config can be what a constructor's annotation says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from torch import Tensor, nn

from src.config.signature import as_text, check_call, check_type, fits, meant_as_text

FITS: list[tuple[Any, Any]] = [
    (1, int),
    (1, float),
    (0.5, float),
    (True, bool),
    ("a", str),
    (None, int | None),
    ("a", int | str),
    ([1, 2], Sequence[float]),
    ([], list[int]),
    ([0.9, 0.999], tuple[float, float]),
    ("min", Literal["min", "max"]),
    ("outputs/x", Path),
    ({"a": 1}, dict[str, int]),
    ({"a": 1}, Mapping[str, Any] | None),
    ({"a": 1}, Any),
    ({}, Callable[[], int] | None),
    ({"_target_": "torch.nn.Identity"}, nn.Module),
    (nn.Identity(), nn.Module),
    (1e-3, float | Tensor),
    ("anything", Any),
    (["f1"], Iterable[str]),
]
MISFITS: list[tuple[Any, Any]] = [
    ("ten", int),
    (1.5, int),
    (True, int),
    (True, float),
    ("fast", float),
    ("no", bool),
    (0, bool),
    (1, str),
    (None, int),
    ("ten", int | None),
    (["a"], Sequence[float]),
    (3, list[int]),
    ("maximum", Literal["min", "max"]),
    ("fast", float | Tensor),
    ("1 day", timedelta),
    ({"a": 1}, nn.Module),
    ({"a": 1}, Callable[[], int] | None),
    ({"a": 1}, int | None),
    ({}, Callable[[], int]),
]


@pytest.mark.parametrize(("value", "hint"), FITS, ids=str)
def test_a_value_fits_its_annotation(value: Any, hint: Any) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(("value", "hint"), MISFITS, ids=str)
def test_a_value_of_another_type_does_not_fit(value: Any, hint: Any) -> None:
    assert not fits(value, hint)


def takes(first: int, *, second: str = "x") -> None: ...


def takes_any(first: int, **others: Any) -> None: ...


def nothing(key: str) -> None:
    return None


@pytest.mark.parametrize(
    ("target", "node", "message"),
    [
        (takes, {"first": 1, "secund": "y"}, "a.b.secund=y: .*takes no argument 'secund': did you mean second"),
        (takes, {"second": "y"}, "a.b: .*needs first: set a.b.first="),
        (takes, {"first": "1"}, "a.b.first='1': .*expects int"),
        (takes, {"first": 1, "_second": "y"}, "a.b._second=y"),
        (takes_any, {"others": 1}, "needs first"),
    ],
)
def test_a_call_that_cannot_work_is_named(target: Callable[..., Any], node: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_call("a.b", {"_target_": "t", **node}, target, elsewhere=nothing)


def test_a_call_that_can_work_passes() -> None:
    check_call("a", {"_target_": "t", "first": 1, "second": "y"}, takes, elsewhere=nothing)
    check_call("a", {"_target_": "t", "first": 1, "anything": []}, takes_any, elsewhere=nothing)
    check_call("a", {"_target_": "t", "_partial_": True}, takes, elsewhere=nothing)  # the rest comes with the call


def names(column: str | Sequence[str], classes: list[str] | None = None, count: int = 0) -> None: ...


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("column", 2024, "2024"),
        ("column", [2024, "a"], ["2024", "a"]),
        ("classes", [3, 0.5], ["3", "0.5"]),
        *((key, value, None) for key, value in (("column", "a"), ("count", 3), ("classes", None), ("column", True))),
        *((key, value, None) for key, value in (("classes", 3), ("other", 3), ("column", [True]), ("count", "x"))),
    ],
)
def test_a_number_is_meant_as_text_where_text_alone_is_taken(key: str, value: Any, text: Any) -> None:
    assert meant_as_text(key, value, names) is (text is not None)
    assert text is None or as_text(value) == text


def test_a_value_that_would_do_as_text_is_shown_as_one_types_it() -> None:
    with pytest.raises(ValueError, match=r"""expects str or .*: as text it is 'a.column="7"'$"""):
        check_type("a", "column", 7, names)
    with pytest.raises(ValueError, match=r": as text it is 'a\.classes=\[\"7\",\"x\"\]'$"):
        check_type("a", "classes", [7, "x"], names)
    with pytest.raises(ValueError, match=r"expects int$"):
        check_type("a", "count", "x", names)
