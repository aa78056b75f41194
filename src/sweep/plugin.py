"""Launchers of our own, made known to Hydra; those of others, hidden from it where nobody asks for them."""

import sys
from collections.abc import Sequence
from importlib import import_module

from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from src.config.plain import plain
from src.config.schema import CONF
from src.config.signature import check_call

PREFIX = "hydra_plugins."  # Hydra takes no class whose name starts otherwise


def hide_plugins(arguments: Sequence[str] = ()) -> None:
    """Keep Hydra from importing all installed plugins, unless the command line names a launcher or sweeper of theirs.

    They may take seconds, for --help too; and one called as ours is, such as joblib, would impose its settings on it.
    """
    for group in ("launcher", "sweeper"):
        ours = {"basic"} | {path.stem for path in (CONF / "hydra" / group).glob("*.yaml")}
        named = [value for key, _, value in (a.partition("=") for a in arguments) if key == f"hydra/{group}"]
        if not ours.issuperset(named):
            return
    sys.modules["hydra_plugins"] = None  # type: ignore[assignment]  # Hydra imports it, and takes it for not installed


def make_known(name: str, config: DictConfig) -> None:
    """Let Hydra find the class that `config`, a node called `name`, is the config of, where that is one of ours.

    It is imported only now, for what it needs takes time, or is an extra. Raises ValueError where it is not installed,
    and for arguments that the class does not take.
    """
    target = str(config.get("_target_"))
    module, _, attribute = target.removeprefix(PREFIX).rpartition(".")
    if not target.startswith((f"{PREFIX}src.sweep.", f"{PREFIX}src.search.")):
        return
    try:
        plugin = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(f"{name} needs the package {error.name}: pip install '.[sweep]'") from error
    check_call(name, plain(config), plugin, elsewhere=lambda key: None)
    Plugins.instance().class_name_to_class[target] = plugin
