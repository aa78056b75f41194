"""What a run was set to: the leaves of its recorded config, without what does not change a result."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml  # type: ignore[import-untyped]

from src.config.hash import telling
from src.config.renamed import renamed

Settings = dict[str, Any]  # path in the config, optimizer.lr, to a number, a string or None
LARGEST = 1e300  # beyond it, and for NaN, a number is shown as a text
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C: ten times as fast


def settings(text: str) -> Settings:
    """Return the leaves of a config.yaml; a class stands at its group's own path, by its last name.

    Interpolations stay as they are, so that a value is there once, where it was set. Raises ValueError where it is
    no config. The groups at the top are parsed apart, each text once: the runs of a sweep share nearly all of them.
    """
    found: Settings = {}
    for group in re.split(r"^(?=\w)", text, flags=re.MULTILINE):
        if group.strip():
            found.update(_group(group))
    return found


def printable(value: Any) -> str:
    """Return a text in one line, without characters that a terminal would obey or a file could not hold."""
    return "".join(character if character.isprintable() else " " for character in str(value))


@cache
def _group(text: str) -> Settings:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=LOADER)):
            raise ValueError("an alias, which could unfold to any size")
        node = yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(node, dict):
        raise ValueError("no mapping")
    return dict(_leaves(telling(renamed(node))))


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if path.endswith("._partial_"):
        return
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, printable(f"{path}.{key}" if path else key))
    elif isinstance(node, (dict, list)):
        yield path, printable(json.dumps(node, default=str)) if node else "none"
    else:
        is_plain = node is None or (isinstance(node, (int, float)) and abs(node) < LARGEST)
        yield path, node if is_plain else printable(node)
        if path.endswith("._target_"):
            yield path.removesuffix("._target_"), printable(node).rpartition(".")[2]
