"""The person's own `conf` beside the framework's: found by Hydra, and with no name that stands in both."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin

from src.config.own import configs, has_config_dir
from src.config.schema import CONF, added_conf

RECORDED = "recorded.yaml"  # the name under which the config of a run folder is composed


class OwnConf(SearchPathPlugin):
    """Adds `conf` of the working folder to where options are looked for; of `--config-dir` Hydra takes care itself."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder, where there is one."""
        if not has_config_dir() and (folder := added_conf()):
            search_path.append("own", f"file://{folder}")


def find_own_conf(arguments: Sequence[str]) -> None:
    """Let Hydra find the person's own `conf`.

    Raises ValueError for a name in it, or in a folder that `arguments` add to hydra.searchpath, that stands in the
    framework's as well: Hydra would take the framework's and say nothing.
    """
    Plugins.instance().register(OwnConf)
    own = added_conf()
    for folder in [*([own] if own else ()), *_searched(arguments)]:
        for path in configs(folder):
            name = path.relative_to(folder)
            if place := _taken(name):
                raise ValueError(f"{path}: {name.with_suffix('')} stands in {place} as well: rename or remove yours")


def _searched(arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the folders that the command line adds to hydra.searchpath."""
    for argument in arguments:
        if argument.startswith("hydra.searchpath="):
            with suppress(HydraException):  # which Hydra tells itself
                places = OverridesParser.create().parse_override(argument).value()
                if isinstance(places, list):
                    yield from (Path(str(place).removeprefix("file://")) for place in places)


def _taken(name: Path) -> str | None:
    """Return where, among what is there already, an option's file stands; None for a name that is free."""
    for folder in (CONF, Path(hydra.__file__).parent / "conf"):
        if (folder / name).is_file():
            return str(folder / name)
    is_schema = ConfigStore.instance().get_type(str(name)) is ObjectType.CONFIG
    return "the framework" if is_schema or str(name) == RECORDED else None
