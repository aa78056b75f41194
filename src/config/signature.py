"""Whether a config node fits the call it describes: argument names, missing arguments, plain types."""

import inspect
import shlex
import types
import typing
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from difflib import get_close_matches
from typing import Any

from src.config.literal import in_quotes

PLAIN = (bool, int, float, str, type(None))
LISTS = (list, tuple, Sequence, Iterable)
MAPPINGS = (dict, Mapping, MutableMapping, Any, object)  # what a node without a `_target_` may be


def check_call(
    path: str, node: Mapping[str, Any], target: Callable[..., Any], *, elsewhere: Callable[[str], str | None]
) -> None:
    """Raise ValueError, with key, value and cure, where `target` cannot be called with `node`.

    `path` is the node's place in the config, for the message; `elsewhere` gives a hint for an argument that resembles
    none of the target's. Types are judged where the annotation consists of plain ones.
    """
    parameters = {name: p for name, p in inspect.signature(target).parameters.items() if name != "self"}
    given = {key: value for key, value in node.items() if key not in ("_target_", "_partial_", "_changes_no_result_")}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    names = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    title = f"{target.__module__}.{target.__qualname__}"
    for key, value in given.items():
        if key not in names and not takes_any:
            near = get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]}?" if near else elsewhere(key) or f"it takes {', '.join(names)}"
            raise ValueError(f"{path}.{key}={value}: {title} takes no argument {key!r}: {hint}")
    if not node.get("_partial_"):
        missing = [name for name in names if name not in given and parameters[name].default is inspect.Parameter.empty]
        if missing:
            cure = f"set {path}.{missing[0]}=..."
            if missing[0] in ("params", "optimizer"):  # which there are only when a run begins
                cure = f"set {path}._partial_=true, or write _partial_: true in its YAML"
            raise ValueError(f"{path}: {title} needs {', '.join(missing)}: {cure}")
    for key, value in given.items():
        check_type(path, key, value, target)


def check_type(path: str, key: str, value: Any, target: Callable[..., Any]) -> None:
    """Raise ValueError where `target` takes no such value for its argument `key`, as far as that can be judged."""
    hint = _hints(target).get(key, Any)
    if fits(value, hint):
        return
    text = as_text(value)
    is_cured = text != value and fits(text, hint)
    quoted = in_quotes(text) if isinstance(text, str) else f"[{','.join(map(in_quotes, text))}]" if is_cured else ""
    cure = f": as text it is {shlex.quote(f'{path}.{key}={quoted}')}" if is_cured else ""
    title = f"{target.__module__}.{target.__qualname__}"
    raise ValueError(f"{path}.{key}={value!r}: {title} expects {_words(hint)}{cure}")


def meant_as_text(key: str, value: Any, target: Callable[..., Any]) -> bool:
    """Whether `target` takes a number, or a list with some, as text alone, such as a column that is called 2024."""
    hint = _hints(target).get(key, Any)
    return not fits(value, hint) and as_text(value) != value and fits(as_text(value), hint)


def as_text(value: Any) -> Any:
    """Return a number as text, a list with its numbers as texts, and anything else as it is."""
    if isinstance(value, list):
        return [as_text(part) for part in value]
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from a config can be what `hint` says.

    True where the hint is no plain type and so cannot be judged.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in arguments)
    if origin is typing.Literal:
        return value in arguments
    if hint is None or hint is type(None):
        return value is None or value == {}  # a group that is none
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    if hint in (bool, str):
        return isinstance(value, hint)
    if origin in LISTS:
        return isinstance(value, list) and all(fits(part, arguments[0]) for part in value)
    if isinstance(value, Mapping) and "_target_" not in value:
        return (origin or hint) in MAPPINGS
    return not isinstance(hint, type) or not isinstance(value, PLAIN) or issubclass(hint, type(value)) or _opaque(hint)


def _opaque(hint: type) -> bool:
    """Whether a plain value may become a `hint`, as it may become a Path or an enum."""
    return hint.__module__ not in ("datetime", "torch")


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    constructor = vars(target).get("__init__") if isinstance(target, type) else target
    try:
        return typing.get_type_hints(constructor) if constructor else {}
    except (NameError, TypeError):  # annotations for type checkers only
        return {}


def _words(hint: Any) -> str:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_words(part) for part in arguments)
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(repr(part) for part in arguments)
    return "null" if hint is type(None) else str(hint) if arguments else getattr(hint, "__name__", str(hint))
