"""The config that a run recorded, read.

It may be a stranger's, and comes to Hydra as plain data that leaves no folder.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf

from src.config.confine import confine
from src.config.renamed import as_it_was, renamed, run_format
from src.config.schema import Train, check_top

SIZE, DEPTH = 1_000_000, 50  # bytes and levels: Hydra writes 5,000 and 6
INTERPOLATION = "${"


def recorded(folder: Path, *, overrides: Sequence[str] = (), trains: bool = False) -> DictConfig:
    """Return the config of a run folder, whose `run` is that folder, wherever it lies now.

    `overrides` are what the command line says on top of it; `trains` says that its loggers will be built.

    What earlier versions wrote is given the names of this one.

    Raises ValueError where a later version wrote it, where the file is damaged or holds more than a run's config (from
    a `hydra` in it Hydra would build callbacks and launchers of any `_target_`), or where anything in it or in the
    folder leads elsewhere.
    """
    if INTERPOLATION in str(folder):
        raise ValueError(f"run={folder}: Hydra would replace the ${{...}} in its name: rename it")
    _check_files(folder)
    number = run_format(folder)
    path = folder / ".hydra" / "config.yaml"
    try:
        config = OmegaConf.create(_text(path))
        if isinstance(config, DictConfig):
            found: Any = OmegaConf.to_container(config, resolve=False)
            config = OmegaConf.create(as_it_was(renamed(found), number))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(config, DictConfig) or not config:
        raise ValueError(f"{path} is damaged: it holds no config")
    try:
        check_top(config, Train)
        config.run = str(folder)
        confine(config, overrides=overrides, trains=trains)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return config


def _check_files(folder: Path) -> None:
    """Raise ValueError for a link that leads out of the folder, and for what is neither file nor folder."""
    inside = folder.resolve()
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise ValueError(f"{path} is a link out of the run folder: put what it points to in its place")
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise ValueError(f"{path} is neither a file nor a folder: remove it")


def _text(path: Path) -> str:
    """Return a YAML file's text; raise where it is too long, too deep, or has tags or aliases, as Hydra's never has.

    A tag stands for a Python object; aliases of aliases grow without end.
    """
    if path.stat().st_size > SIZE:
        raise yaml.YAMLError(f"it has more than {SIZE:,} bytes")
    text, depth = path.read_text(encoding="utf-8"), 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None):
            raise yaml.YAMLError(f"it has a tag or an alias in line {event.start_mark.line + 1}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise yaml.YAMLError(f"it is more than {DEPTH} levels deep")
    return text
