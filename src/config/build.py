"""Objects from config nodes: an allow-listed `_target_` called with the node's other keys."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from src.config.allow import resolve
from src.config.owner import routed, targets


def build(node: Any, **arguments: Any) -> Any:
    """Return what `node`, a plain and resolved config, describes; nodes inside it are built first.

    `_target_` names the class or function, `_partial_: true` gives it with its arguments bound instead of calling it.
    `arguments` replace keys of the outermost node. A setting goes to the part that owns it (src.config.owner). Raises
    ValueError for a `_target_` that is not on the allow-list, before anything is built.
    """
    for _, inner in targets(node):
        resolve(inner["_target_"])
    return _built(routed(node | arguments if arguments else node))


def _built(node: Any) -> Any:
    if isinstance(node, list):
        return [_built(part) for part in node]
    if not isinstance(node, Mapping):
        return node
    values = {key: _built(value) for key, value in node.items()}
    if "_target_" not in node:
        return values
    call = resolve(values.pop("_target_"))
    is_partial = values.pop("_partial_", False)
    return partial(call, **values) if is_partial else call(**values)
