"""Settings that are written beside the place where they are used: recorded, and not what trains. Each is refused."""

import inspect
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.allow import resolve

GROUPS = {"callbacks": "callback", "logger": "logger"}  # the Trainer's arguments, and whose they are
CURES = {"callback": "callback.NAME={_target_: ...} adds one, ~callback.NAME removes one", "logger": "set logger=[...]"}


def refuse_beside(config: DictConfig, resolved: Mapping[str, Any]) -> None:
    """Raise ValueError for the first of them, with the key that is used."""
    model, data = resolved["model"], resolved["data"]
    _check_groups(config)
    _check_choices(config, model)
    _check_outputs(config, model)
    _check_facts(model, data)


def _check_groups(config: DictConfig) -> None:
    """Raise where the Trainer has callbacks or loggers of its own beside those of the groups."""
    trainer: Any = OmegaConf.to_container(config.trainer, resolve=False)
    for key, group in GROUPS.items():
        if config.get(group) and key in trainer and f":{group}" not in str(trainer[key]):
            raise ValueError(
                f"trainer.{key}={trainer[key]}: {', '.join(map(str, config[group]))} of the group {group} would be "
                f"recorded and not used: {CURES[group]}"
            )


def _check_choices(config: DictConfig, model: Mapping[str, Any]) -> None:
    """Raise where a part that is chosen elsewhere, or has to be a call, is a mere value."""
    if not getattr(resolve(model["_target_"]), "owners", ()):  # somebody's own, whose arguments are theirs
        return
    for name in ("optimizer", "scheduler", "task", "loss"):
        part = model.get(name)
        if not part or (isinstance(part, Mapping) and "_target_" in part):
            continue
        said = part if isinstance(part, Mapping) else {"": part}
        key, value = next(((f".{key}" if key else "", value) for key, value in said.items()))
        if name == "scheduler" and config.get(name) == part:
            raise ValueError(
                f"{name}{key}={value}: scheduler=none has none that takes it: choose one, scheduler=warmup"
            )
        place = {"task": "data.task", "loss": "model.loss._target_"}.get(name, name)
        raise ValueError(f"model.{name}{key}={value}: set {place}{key}={'...' if name == 'loss' else value}")


def _check_outputs(config: DictConfig, model: Mapping[str, Any]) -> None:
    """Raise where a model has other outputs than its task has for these data."""
    task = OmegaConf.select(config, f"task.{config.data.get('task')}")
    outputs, expected = model.get("outputs"), task.outputs if task and "outputs" in task else None
    if isinstance(outputs, int) and isinstance(expected, int) and (outputs < expected or outputs > expected == 1):
        raise ValueError(
            f"model.outputs={outputs}: data.task={config.data.task} has {expected} with these data: leave it out"
        )


def _check_facts(model: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Raise where a fact that was changed goes to a net that does not take it."""
    net = model.get("net")
    if not isinstance(net, Mapping) or "_target_" not in net:
        return
    takes = inspect.signature(resolve(net["_target_"])).parameters
    for key, fact in (("shape", data.get("shape")), ("outputs", model.get("outputs"))):
        if key in net and key not in takes and net[key] != fact:
            raise ValueError(f"model.net.{key}={net[key]}: {net['_target_']} takes no argument {key!r}: leave it out")
    known = data.get("vocabulary")
    if data.get("unit") and known is not None and net.get("vocabulary", known) != known:
        raise ValueError(
            f"model.net.vocabulary={net['vocabulary']}: the data have numbers up to {known}: leave it out, or set "
            f"data.vocabulary={net['vocabulary']}"
        )
