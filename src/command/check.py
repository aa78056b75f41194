"""The check before compute: what can be known of a config before data is read and a GPU touched."""

import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.command.beside import refuse_beside
from src.command.imagined import imagined
from src.config.allow import check_name, resolve
from src.config.build import build, facts_beside
from src.config.direction import check_modes
from src.config.owner import calls, owned, targets
from src.config.plain import fill, is_default, plain, untaken
from src.config.schema import CONF
from src.config.signature import check_call

GROUPS = (
    "data",
    "optimizer",
    "scheduler",
    "callback",
    "logger",
    "trainer",
    "model",
)  # the inner before those that contain them


def check(
    config: DictConfig,
    *,
    groups: Collection[str] = GROUPS,
    typed: Iterable[str] = (),
    is_here: bool = True,
    is_alone: bool = False,
) -> None:
    """Raise ValueError, in one line with key, value and cure, for the first thing in `groups` that could not work.

    `data` is always one of them; what follows from several is checked where the model is. `typed` are the overrides of
    the command line. `is_here` says that it is to run on this machine, whose devices are then counted; `is_alone` that
    it takes one of them, whatever `trainer` says. Models and data from elsewhere are not called here: what their
    constructors do is not known, and a first batch shows the rest.
    """
    fill(config)
    if "model" in groups:
        _refuse_untaken(config, typed)
    resolved = plain(config if "model" in groups else without_model(config))
    for _, node in targets(resolved):
        check_name(node["_target_"])  # all names, before the first import
    _check_presence(resolved, groups)
    if {"model", "trainer"} <= {*groups}:
        refuse_beside(config, resolved)
    for path, node in _calls(resolved, groups):
        check_call(path, node, resolve(node["_target_"]), elsewhere=partial(_elsewhere, path, node))
    if "trainer" in groups:
        _check_hardware(resolved["trainer"], is_here=is_here, is_alone=is_alone)
    _check_known(config, resolved, groups, is_alone=is_alone)


def without_model(config: DictConfig) -> DictConfig:
    """Return a copy of a config for what looks at the data alone: the default model may not suit them."""
    copied = config.copy()
    copied.model = {}
    return copied


def _check_known(config: DictConfig, resolved: Mapping[str, Any], groups: Collection[str], *, is_alone: bool) -> None:
    """Try what declares that it may be tried: data that read nothing when built, a model that needs no memory."""
    if _is_known(resolved["data"], "tells"):
        build(resolved["data"])  # its constructor judges its numbers
        if "trainer" in groups and not is_alone:
            _check_ranks(resolved)
    if "model" in groups and _is_known(resolved["model"], "is_imaginable"):
        model = imagined(config, resolved)
        if "callback" in groups:
            _check_monitors(resolved, tuple(getattr(model, "score_names", ())))
    if "callback" in groups and not is_alone:  # a recorded run has its best
        check_modes(_watching(resolved), resolved["model"].get("metrics"))


def _check_presence(resolved: Mapping[str, Any], groups: Collection[str]) -> None:
    for group in ("model", "data", "trainer"):
        if group in groups and "_target_" not in resolved[group]:
            raise ValueError(
                f"{group}={resolved[group] or 'null'}: choose a {group}, python -m src.train --help lists them"
            )
    for group in ("callback", "logger"):
        for name, node in resolved[group].items():
            if not isinstance(node, Mapping):
                raise ValueError(f"{group}.{name}={node}: to remove it write ~{group}.{name}")
            if "_target_" not in node:
                raise ValueError(
                    f"{group}.{name}.{next(iter(node), '')}: there is no {group}.{name} that takes it (debug= and ~ "
                    "take some away): leave it out"
                )


def _is_known(node: Mapping[str, Any], declaration: str) -> bool:
    """Whether the class or function of a node declares that it may be tried before compute."""
    return getattr(resolve(node["_target_"]), declaration, False) is not False


def _refuse_untaken(config: DictConfig, typed: Iterable[str]) -> None:
    """Raise where an optimizer or a schedule was chosen and the model takes none: it would be recorded and not used."""
    keys = {word.lstrip("+").partition("=")[0]: word for word in typed}
    for group in untaken(config):
        said = next((word for key, word in keys.items() if re.split(r"[.@]", key)[0] == group), None)
        if said is None and is_default(config[group], group):
            continue
        if config.model.get(group):
            raise ValueError(
                f"{said or group}: model.{group} is set beside it, and is what trains: write {group}: for it where "
                f"model.{group} is set, or leave this out"
            )
        model = str(config.model.get("_target_")).rpartition(".")[2]
        raise ValueError(
            f"{said or f'{group} (as the experiment sets it)'}: {model} makes its own {group} and takes none: set what "
            f"it takes, model.KEY=..., or write `{group}: ${{{group}}}` into its YAML where its constructor has one"
        )


def _calls(resolved: Mapping[str, Any], groups: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for group in GROUPS:
        if group in groups:
            node = resolved[group]
            facts = facts_beside(node) if group == "data" else {}
            yield from calls({key: value for key, value in node.items() if key not in facts}, group)


def _check_hardware(trainer: Mapping[str, Any], *, is_here: bool, is_alone: bool) -> None:
    from src.fit.combination import check_settings
    from src.fit.hardware import check_hardware
    from src.fit.trainer import alone

    check_hardware({**trainer, **alone(trainer)} if is_alone else trainer, is_here=is_here)
    check_settings(trainer, build)


def _elsewhere(path: str, node: Mapping[str, Any], key: str) -> str | None:
    """Return a hint where an owner of the node's settings, or another option, takes an argument near `key`."""
    taken = [name for takes in owned(resolve(node["_target_"]), node).values() for name in takes]
    near = get_close_matches(key, taken, n=1)
    return f"did you mean {near[0]}?" if near else _other_option(path, key)


def _other_option(group: str, key: str) -> str | None:
    """Return a hint where another option of `group` takes an argument whose name is near `key`."""
    for path in sorted((CONF / group).glob("*.yaml")):
        option = OmegaConf.to_container(OmegaConf.load(path))
        if not isinstance(option, dict) or "${" in option.get("_target_", "${"):
            continue
        try:
            takes = inspect.signature(resolve(option["_target_"])).parameters
        except ValueError:  # it needs what is not installed, or is of another person
            continue
        near = get_close_matches(key, takes, n=1)
        if near:
            return f"did you mean {group}={path.stem} {group}.{near[0]}?"
    return None


def _check_ranks(resolved: Mapping[str, Any]) -> None:
    """Raise where a batch has fewer samples than the trainer has processes, as far as their number is known here."""
    from src.data.load.shard import too_small

    trainer, batch_size = resolved["trainer"], resolved["data"].get("batch_size")
    devices = trainer.get("devices")
    devices = len(devices) if isinstance(devices, list) else devices
    if trainer.get("strategy") == "dp" or not isinstance(devices, int) or not isinstance(batch_size, int):
        return  # one process; or as many as there are devices, which the data module learns
    ranks = devices * trainer.get("num_nodes", 1)
    if batch_size < ranks:
        raise ValueError(too_small(batch_size, ranks))


def _watching(resolved: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each node that has a monitor and its mode, the config itself among them, and what its keys begin with."""
    yield "", resolved
    for name, node in resolved["callback"].items():
        if isinstance(node.get("monitor"), str) and "mode" in node:
            yield f"callback.{name}.", node


def _check_monitors(resolved: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Raise where a callback watches a score that the model does not log, or that no split is there for."""
    if not names:  # a LightningModule from elsewhere, which does not say
        return
    has_val = bool(resolved["data"].get("folds")) or resolved["data"].get("val_fraction", 1) != 0
    known = [name for name in names if not name.startswith("test/") and (has_val or not name.startswith("val/"))]
    watched = {"monitor": resolved["monitor"]}
    watched |= {
        f"callback.{name}.monitor": node["monitor"]
        for name, node in resolved["callback"].items()
        if node.get("monitor")
    }
    for path, monitor in watched.items():
        if monitor not in known:
            near = get_close_matches(monitor, known, n=1)
            cure = near[0] if near else known[0]
            raise ValueError(f"{path}={monitor}: nothing logs it: set {path}={cure} (logged: {', '.join(known)})")
