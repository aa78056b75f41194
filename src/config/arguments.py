"""Every argument that a run's constructors get: those its config names, and the defaults of those it does not."""

import inspect
from typing import Any

from src.config.allow import resolve
from src.config.owner import routed

PLAIN = (bool, int, float, str, type(None))


def with_defaults(node: Any) -> Any:
    """Return a resolved config whose nodes with a `_target_` also have the defaults that are plain values."""
    return _with_defaults(routed(node))


def _with_defaults(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_defaults(part) for part in node]
    if not isinstance(node, dict):
        return node
    given = {key: _with_defaults(value) for key, value in node.items()}
    if "_target_" not in node:
        return given
    parameters = inspect.signature(resolve(node["_target_"])).parameters
    defaults = {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in parameters.items()
        if isinstance(parameter.default, PLAIN)
        or (isinstance(parameter.default, tuple) and all(isinstance(part, PLAIN) for part in parameter.default))
    }
    return defaults | given
