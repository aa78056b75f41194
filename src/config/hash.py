"""The identity of a run's result: a hash over everything in its config that changes it. Torch-free.

What changes no result says so where it is defined: a key at the top in the schema, arguments where their constructor
is (src.config.declared), a library's class where conf names it, by a key `_changes_no_result_`. These are true, for
all of it, or list names of arguments. What does not say so changes the result. Where things lie says nothing: what is
below the run's own folder is left out, and what is below `data_dir` counts from there.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from src.config.declared import declared
from src.config.direction import directed
from src.config.schema import Train, unchanging

SAID = "_changes_no_result_"
PROTOCOL = re.compile(r"^\w+:/{2,3}(?=[^/])")
NOTHING = object()


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the sha256, in hexadecimal, of a resolved config without what does not change the result."""
    return hashlib.sha256(json.dumps(relevant(config), sort_keys=True).encode()).hexdigest()


def relevant(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a resolved config without what does not change the result, and with paths below `data_dir`."""
    return telling(directed(dict(config)), data_dir=str(config.get("data_dir")))


def telling(config: Mapping[str, Any], *, data_dir: str | None = None) -> dict[str, Any]:
    """Return a copy of a config, or of some of its groups, resolved or not, without what does not change the result."""
    hidden = unchanging(Train)
    places = Places(run=("${run}", str(config.get("run"))), data_dir=(data_dir,) if data_dir else ())
    return {
        key: part
        for key, value in config.items()
        if key not in hidden and (part := _telling(value, places)) is not NOTHING
    }


class Places(NamedTuple):
    """Folders of a run, each as it may be written."""

    run: tuple[str, ...]
    data_dir: tuple[str, ...]


def _telling(node: Any, places: Places) -> Any:
    if isinstance(node, list):
        return [part for value in node if (part := _telling(value, places)) is not NOTHING]
    if isinstance(node, str):
        return NOTHING if _below(node, places.run) else _below(node, places.data_dir) or node
    if not isinstance(node, Mapping):
        return node
    said = node.get(SAID) or declared(node.get("_target_"), "changes_no_result")
    if said is True:
        return NOTHING
    hidden = {SAID, *(said or ())}
    return {
        key: part
        for key, value in _lifted(node).items()
        if key not in hidden and (part := _telling(value, places)) is not NOTHING
    }


def _lifted(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node with what its parts own said one level above, where it may be said too (src.config.owner)."""
    parts = {name: node[name] for name in declared(node.get("_target_"), "owners") if isinstance(node.get(name), dict)}
    above = {key: value for part in parts.values() for key, value in part.items() if key != "_target_"}
    return {**above, **node, **{name: {"_target_": part.get("_target_")} for name, part in parts.items()}}


def _below(text: str, places: tuple[str, ...]) -> str | None:
    """Return the rest of a path that is one of `places` or lies below it, with a mark before it; None for others."""
    local = PROTOCOL.sub("", text)
    for place in (*places, *(str(Path(place).absolute()) for place in places)):
        if local == place or local.startswith(f"{place}/"):
            return "./" + local[len(place) + 1 :]
    return None
