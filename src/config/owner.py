"""Settings that may be said one level above the part that owns them: `model.metrics`, which is the task's.

A class lists the arguments that own settings in `owners`, and its constructor takes each as an object. What it lists
in `told` under the name of an argument is left out where that part does not take it, such as a net's `shape`.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from src.config.allow import resolve


def routed(node: Any) -> Any:
    """Return a plain, resolved config in which each setting is where its owner's constructor takes it.

    An owner that has no node gets one, whose `_target_` is the type of the argument. Raises ValueError for a setting
    that is said in both places.
    """
    if isinstance(node, list):
        return [routed(part) for part in node]
    if not isinstance(node, Mapping):
        return node
    inner = {key: routed(value) for key, value in node.items()}
    return _handed_on(inner) if "_target_" in inner else inner


def calls(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (path, node) of every call in a routed `node`; what an owner takes has the path of what it belongs to."""
    above: dict[str, str] = {}
    for place, call in targets(routed(node), path):
        for longer, shorter in reversed(above.items()):
            if place == longer or place.startswith(f"{longer}."):
                place = shorter + place.removeprefix(longer)
        above |= {f"{place}.{name}": place for name in owned(resolve(call["_target_"]), call)}
        yield place, call


def targets(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (path, node) of every node with a `_target_` in `node`, the outer before the inner."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield path, node
        children = [(f"{path}.{key}" if path else str(key), value) for key, value in node.items()]
    elif isinstance(node, list):
        children = [(f"{path}[{index}]", value) for index, value in enumerate(node)]
    else:
        return
    for name, value in children:
        yield from targets(value, name)


def _handed_on(node: dict[str, Any]) -> dict[str, Any]:
    target: Any = resolve(node["_target_"])
    for name, facts in getattr(target, "told", {}).items():
        part = node.get(name)
        if isinstance(part, Mapping) and "_target_" in part:
            takes_it = inspect.signature(resolve(part["_target_"])).parameters
            node[name] = {key: value for key, value in part.items() if key not in facts or key in takes_it}
    owners = owned(target, node)
    own = inspect.signature(target).parameters if owners else {}
    for key in [key for key in node if key not in own and not key.startswith("_")]:
        for name, takes in owners.items():
            if key in takes:
                part = node.setdefault(name, {"_target_": _name(target, name)})
                if key in part:
                    raise ValueError(f"{key}={node[key]} and {name}.{key}={part[key]}: say it once")
                node[name] = part | {key: node.pop(key)}
                break
    return node


def owned(target: Any, node: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what each of the owners in a constructor's arguments takes; {} where it declares none."""
    takes = {}
    for name in getattr(target, "owners", ()):
        part = node.get(name) or {"_target_": _name(target, name)}
        if isinstance(part, Mapping) and "_target_" in part:
            takes[name] = list(inspect.signature(resolve(part["_target_"])).parameters)
    return takes


def _name(target: Any, argument: str) -> str:
    kind = get_type_hints(target.__init__)[argument]
    return f"{kind.__module__}.{kind.__qualname__}"
