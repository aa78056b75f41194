"""Objects from config nodes: an allow-listed `_target_` called with the node's other keys."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from src.config.allow import resolve
from src.config.owner import owned, routed, targets

FACTS = ("shape", "classes", "task")  # of data


def build(node: Any, **arguments: Any) -> Any:
    """Return what `node`, a plain and resolved config, describes; nodes inside it are built first.

    `_target_` names the class or function, `_partial_: true` gives it with its arguments bound instead of calling it.
    `arguments` replace keys of the outermost node. A setting goes to the part that owns it (src.config.owner). Raises
    ValueError for a `_target_` that is not on the allow-list, before anything is built. Facts that stand beside the
    arguments of anybody's data become attributes.
    """
    for _, inner in targets(node):
        resolve(inner["_target_"])
    facts = facts_beside(node)
    given = {key: value for key, value in node.items() if key not in facts} | arguments if facts or arguments else node
    thing = _built(routed(given))
    for name, value in facts.items():
        setattr(thing, name, value)
    return thing


def facts_beside(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in a data's config that its class does not take: anybody's data may state them there.

    What is built gets them as attributes.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        return {}
    target: Any = resolve(node["_target_"])
    takes = inspect.signature(target).parameters
    if node.get("_partial_") or owned(target, node) or any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        return {}
    return {name: node[name] for name in FACTS if name in node and name not in takes}


def _built(node: Any) -> Any:
    if isinstance(node, list):
        return [_built(part) for part in node]
    if not isinstance(node, Mapping):
        return node
    values = {key: _built(value) for key, value in node.items()}
    if "_target_" not in node:
        return values
    call = resolve(values.pop("_target_"))
    values.pop("_changes_no_result_", None)  # said to src.config.hash
    is_partial = values.pop("_partial_", False)
    return partial(call, **values) if is_partial else call(**values)
