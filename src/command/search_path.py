"""The person's own `conf` beside the framework's: found by Hydra, and with no name that stands in both."""

from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
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


def find_own_conf() -> None:
    """Let Hydra find the person's own `conf`; raises ValueError for a name that stands in the framework's as well."""
    Plugins.instance().register(OwnConf)
    if (folder := added_conf()) is None:
        return
    theirs = (CONF, Path(hydra.__file__).parent / "conf")
    for path in configs(folder):
        name = path.relative_to(folder)
        taken = [str(other / name) for other in theirs if (other / name).is_file()]
        if str(name) == RECORDED or ConfigStore.instance().get_type(str(name)) is ObjectType.CONFIG:
            taken = ["the framework"]
        if taken:
            raise ValueError(f"{path}: {name.with_suffix('')} stands in {taken[0]} as well: rename or remove yours")
