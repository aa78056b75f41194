"""The config that a run recorded: it may be a stranger's, and only keys of the schema reach Hydra."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]

from src.config.schema import Train, check_top


def recorded(folder: Path) -> DictConfig:
    """Return the config of a run folder, whose `run` is that folder, wherever it lies now.

    Raises ValueError where the file is damaged or holds more than a run's config: from a `hydra` in it Hydra would
    build callbacks and launchers of any `_target_`.
    """
    path = folder / ".hydra" / "config.yaml"
    try:
        config = OmegaConf.load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(config, DictConfig) or not config:
        raise ValueError(f"{path} is damaged: it holds no config")
    try:
        check_top(config, Train)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    config.run = str(folder)
    return config
