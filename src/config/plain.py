"""Run configs as plain containers: every interpolation resolved, and nothing in them that the run does not take."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from src.config.allow import check_name, resolve
from src.config.build import FACTS
from src.config.direction import directed
from src.config.schema import CONF
from src.config.signature import as_text, check_type, meant_as_text

RUN = {"model", "data", "trainer"}  # the groups that make a config a run's
OF_MODEL = {"optimizer": "scale_lr", "scheduler": "interval"}  # it knows the processes, and takes the steps
CHOSEN = ("optimizer", "scheduler")  # groups that a model takes by interpolation, or not at all


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a config as plain containers with every interpolation resolved.

    Of a run's config without the table of tasks, whose entries stand where they are used, and with nothing in the
    groups that nothing takes. Raises ValueError where an interpolation cannot be resolved.
    """
    try:
        if not {str(key) for key in config} >= RUN:
            return directed(_scaled(OmegaConf.to_container(config, resolve=True, throw_on_missing=True)))
        empty = untaken(config)
        found = {str(key): {} if key in empty else _value(config, key) for key in config if key != "task"}
        return directed(_scaled(found))
    except MissingMandatoryValue as error:
        raise ValueError(f"{error.full_key} is missing: set {error.full_key}=...") from error
    except OmegaConfBaseException as error:
        raise ValueError(_unresolved(error)) from error


def _value(config: DictConfig, key: Any) -> Any:
    value = config[key]
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if OmegaConf.is_config(value) else value


def _unresolved(error: OmegaConfBaseException) -> str:
    reason = str(error).splitlines()[0]
    fact = re.search(rf"Interpolation key '(data\.(?:{'|'.join(FACTS)}))' not found", reason)
    if fact:
        return (
            f"{error.full_key}: the model follows from {fact[1]}, which the data's config does not state: write "
            f"{', '.join(FACTS)} into its YAML, or set {fact[1]}=..."
        )
    return f"{error.full_key}: {reason}"


def untaken(config: DictConfig) -> list[str]:
    """Return the chosen groups, of `CHOSEN`, that no other group of a run's config refers to.

    A LightningModule that makes its own optimizer takes none from the config.
    """
    groups = [group for group in CHOSEN if config.get(group)]
    texts = [text for path, text in _texts(config) if path.partition(".")[0] not in (*CHOSEN, "task")]
    return [group for group in groups if not any(re.search(rf"\$\{{{group}[.}}\[]", text) for text in texts)]


def taken(config: DictConfig) -> DictConfig:
    """Return a run's config as it is recorded: without the groups that nothing takes."""
    empty = untaken(config)
    return OmegaConf.masked_copy(config, [str(key) for key in config if key not in empty])


def is_default(node: DictConfig, group: str) -> bool:
    """Whether a group is what a command that says nothing of it gets."""
    defaults: Any = OmegaConf.to_container(OmegaConf.load(CONF / "train.yaml"))
    (option,) = (entry[group] for entry in defaults["defaults"] if isinstance(entry, dict) and group in entry)
    given = OmegaConf.load(CONF / group / f"{option}.yaml")
    return OmegaConf.to_container(given) == OmegaConf.to_container(node, resolve=False)


def _texts(config: DictConfig) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of the texts in a config, as they are written."""
    waiting: list[tuple[str, Any]] = [("", OmegaConf.to_container(config, resolve=False))]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, str):
            yield path, node
        elif isinstance(node, dict):
            waiting += [(f"{path}.{key}" if path else str(key), value) for key, value in node.items()]
        elif isinstance(node, list):
            waiting += [(f"{path}[{number}]", value) for number, value in enumerate(node)]


def _scaled(resolved: Any) -> dict[str, Any]:
    """Return a config in which the model has what it alone can do of what is said of an optimizer or a schedule."""
    for node, (group, key) in product((resolved, resolved.get("model")), OF_MODEL.items()):
        if isinstance(node, dict) and isinstance(part := node.get(group), dict) and key in part:
            node[group] = {name: value for name, value in part.items() if name != key}
            if "_target_" in node:
                node[key] = part[key]
    return resolved


def fill(config: DictConfig) -> bool:
    """Set what is null in `data` and what the data themselves tell, such as a folder's class names.

    What they tell only of some data, such as the classes of a target that has some, is set beside what `tells` names.
    Numbers that name columns or classes become the texts that they are. Return whether anything was null. Raises
    ValueError or OSError where the data cannot tell.
    """
    target = config.data.get("_target_")
    if target is None:
        return False
    check_name(target)
    data: Any = resolve(target)
    tells = getattr(data, "tells", ())  # a LightningDataModule from elsewhere tells nothing
    blank = [key for key in tells if config.data.get(key) is None]
    for key, value in plain(config.data).items():
        if meant_as_text(key, value, data):
            OmegaConf.update(config, f"data.{key}", as_text(value))
    if not blank:
        return False
    given = plain(config.data)
    for key, value in given.items():
        if key != "_target_" and None not in (value if isinstance(value, list) else [value]):  # not told yet
            check_type("data", key, value, data)
    found = data.facts(**given)
    more = [key for key, value in found.items() if key not in tells and value is not None]
    for key in (*blank, *(key for key in more if config.data.get(key) is None)):
        _check_text(key, found[key])
        OmegaConf.update(config, f"data.{key}", found[key])
    return True


def _check_text(key: str, told: Any) -> None:
    """Raise ValueError where the config would resolve what data tell: their names may be a stranger's."""
    for text in told if isinstance(told, (list, tuple)) else [told]:
        if isinstance(text, str) and ("${" in text or text == "???"):
            raise ValueError(f"data.{key}: the data tell {text!r}, which a config would replace: set data.{key}=...")
