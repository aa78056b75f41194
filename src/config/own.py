"""The person's own code and configs: the folder where the command is started, its `conf`, and the names in there.

Torch-free, and imports none of it: a name may come from a stranger's run folder.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

# For the processes that a command starts, whose current folder may be another.
FOLDER, CONFIG_DIR = "SRC_WORKING_FOLDER", "SRC_CONFIG_DIR"


@contextmanager
def started_here(arguments: Sequence[str]) -> Iterator[None]:
    """Let the block, and the processes that it starts, take the current folder for the working folder.

    `arguments` are the command's, of which `--config-dir` names a `conf` elsewhere.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    named = parser.parse_known_args(arguments)[0].config_dir
    before = {name: os.environ.get(name) for name in (FOLDER, CONFIG_DIR)}
    try:
        _set({FOLDER: os.getcwd(), CONFIG_DIR: named and os.path.abspath(named)})
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def working_folder() -> Path:
    """The folder where the command was started."""
    return Path(os.environ.get(FOLDER) or Path.cwd())


def own_conf() -> Path | None:
    """The person's folder of configs: `conf` in the working folder, or the one that `--config-dir` names."""
    folder = Path(os.environ.get(CONFIG_DIR) or working_folder() / "conf")
    return folder if folder.is_dir() else None


def has_config_dir() -> bool:
    """Whether `--config-dir` names that folder, which Hydra then looks through by itself."""
    return CONFIG_DIR in os.environ


def configs(conf: Path) -> Iterator[Path]:
    """Yield the YAML files below a folder of configs, sorted."""
    found = (Path(parent, name) for parent, _, names in os.walk(conf, followlinks=True) for name in names)
    return iter(sorted(path for path in found if path.suffix == ".yaml"))


def may_hold(target: str) -> bool:
    """Whether `target` begins with the name of a package or module that lies in the working folder.

    `src` is not one of them: that name is the framework's.
    """
    parts = target.split(".")
    place = working_folder() / parts[0]
    is_name = len(parts) > 1 and all(part.isidentifier() for part in parts) and parts[0] != "src"
    return is_name and (place.is_dir() or place.with_suffix(".py").is_file())


def holds(found: Any) -> bool:
    """Whether a class or function was defined in a package or module of the working folder."""
    name = str(getattr(found, "__module__", ""))
    file = getattr(sys.modules.get(name), "__file__", None)
    place = working_folder().resolve() / name.partition(".")[0]
    return file is not None and (
        Path(file).resolve() == place.with_suffix(".py") or Path(file).resolve().is_relative_to(place)
    )


def names(target: str) -> bool:
    """Whether a YAML file of the person's own `conf` names `target`."""
    return target in _named(target)


def names_module(target: str) -> bool:
    """Whether a YAML file of the person's own `conf` names something in the module of `target`."""
    return _module(target) in {_module(name) for name in _named(target)}


def _named(target: str) -> set[str]:
    """Return the strings in the person's YAML files that begin with the package of `target`."""
    conf, start = own_conf(), f"{target.partition('.')[0]}."
    found: set[str] = set()
    for path in configs(conf) if conf else ():
        text = path.read_text(encoding="utf-8", errors="replace")
        if start in text:  # most files do not, and a YAML parser is slow
            found |= {value for value in _strings(text) if value.startswith(start)}
    return found


def _strings(text: str) -> Iterator[str]:
    try:
        nodes = [yaml.safe_load(text)]
    except yaml.YAMLError:  # Hydra says so where it is composed
        return
    while nodes:
        node = nodes.pop()
        if isinstance(node, str):
            yield node
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _module(target: str) -> str:
    return target.rpartition(".")[0]


def make_importable() -> None:
    """Let the working folder's packages be imported, as they are under `python -m` and not under a console script.

    Last where one of them is called `src`, so that processes that look there too find the framework's.
    """
    if (folder := str(working_folder())) not in sys.path:
        sys.path.insert(len(sys.path) if advice_on_src() else 0, folder)


def advice_on_src() -> str:
    """Return what to do about a package `src` in the working folder that is not the framework's; else nothing."""
    place = working_folder() / "src"
    if not place.is_dir() or place.resolve() == Path(__file__).resolve().parents[1]:
        return ""
    return f": {working_folder()} has a package src of its own, and src is the framework's name: rename yours"
