"""What `conf/search` says, checked before the first trial; imports Optuna only where a search asks for it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from src.config.plain import plain
from src.config.signature import check_call
from src.search.space import Space, at_random, overrides, read_space

Node = dict[str, Any]


ALSO = {"CmaEsSampler": "cmaes", "GPSampler": "scipy"}  # what samplers of Optuna's import when they first sample


@dataclass(frozen=True)
class Settings:
    """A search: its space, how many trials, and how they are chosen (`sampler`: null for at random) and ended early.

    `jobs` trials are chosen at once; null: as many as the launcher runs at once.
    """

    space: Node
    trials: int
    seed: int = 0
    jobs: int | None = None
    sampler: Node | None = None
    pruner: Node | None = None


def read_settings(config: DictConfig) -> Settings:
    """Return the search that a command's config names; raises ValueError, in one line, for what could not work."""
    node = plain(config.search)
    check_call("search", node, Settings, elsewhere=lambda key: None)
    settings = Settings(**node)
    for name in ("trials", "jobs"):
        if (number := getattr(settings, name)) is not None and number < 1:
            raise ValueError(f"search.{name}={number}: at least 1")
    space = read_space(settings.space)
    _check_command_line(space, config.hydra.overrides.task)
    if settings.sampler:
        _optuna_takes(settings)
    if settings.pruner:
        _check_pruner(settings, config.monitor)
    return settings


def _optuna_takes(settings: Settings) -> None:
    """Raise ValueError where Optuna is not installed, or has no such sampler or pruner."""
    try:
        from src.search.study import pruner, sampler
    except ModuleNotFoundError as error:
        raise ValueError(
            f"search.sampler needs the package {error.name}, of the extra sweep: pip install -e '.[sweep]'; "
            "search=random needs none"
        ) from error
    sampler(settings.sampler, seed=settings.seed)
    pruner(settings.pruner)
    name = (settings.sampler or {}).get("name")
    if (package := ALSO.get(str(name))) and not find_spec(package):
        raise ValueError(f"search.sampler.name={name} needs the package {package}: pip install {package}")


def _check_pruner(settings: Settings, monitor: str) -> None:
    if not settings.sampler:
        raise ValueError("search.pruner without search.sampler: Optuna prunes: set search.sampler.name=RandomSampler")
    if not monitor.startswith("val/"):
        raise ValueError(f"search.pruner judges validations, and monitor={monitor} is of none: set search.pruner=null")


def _check_command_line(space: Space, words: Sequence[str]) -> None:
    """Raise ValueError where the command line sets a key of the space, or several values at once, as for a grid."""
    chosen = {word.partition("=")[0] for name in space for probe in _probes(space, name) for word in probe}
    for override in OverridesParser.create().parse_overrides(list(words)):
        key, line = override.key_or_group, override.input_line
        if key in chosen:
            raise ValueError(f"{line}: the search chooses {key}: leave it out, or take it out of search.space")
        if override.is_sweep_override():
            raise ValueError(f"{line}: one value, or let the search choose: search.space.{key}=[...]")


def own(words: Sequence[str]) -> list[str]:
    """Return the overrides that all trials have: those that say nothing of the search."""
    keys = [override.key_or_group for override in OverridesParser.create().parse_overrides(list(words))]
    return [word for word, key in zip(words, keys, strict=True) if key.partition(".")[0] != "search"]


def checks(config: DictConfig, settings: Settings) -> Iterator[tuple[str, list[str]]]:
    """Yield (title, overrides) of the jobs to check before the first trial.

    Of a search at random these are its jobs; else each choice and each end of a range by itself.
    """
    space, common = read_space(settings.space), own(config.hydra.overrides.task)
    if settings.sampler:
        named = [(f"search.space.{name}", words) for name in space for words in _probes(space, name)]
    else:
        named = [(f"trial {' '.join(words)}", words) for words in random_trials(settings)]
    for title, words in named:
        yield title, [*common, *words]


def random_trials(settings: Settings) -> list[list[str]]:
    """Return what each trial of a search at random sets."""
    space = read_space(settings.space)
    points = (at_random(space, seed=settings.seed, number=number) for number in range(settings.trials))
    return [overrides(space, point) for point in points]


def _probes(space: Space, name: str) -> list[list[str]]:
    return [space[name].overrides(name, value) for value in space[name].probes]


def at_once(settings: Settings, launcher: Launcher, node: Mapping[str, Any]) -> int:
    """Return how many trials to choose at once; each is chosen without knowing how the others of its batch end.

    As many as a launcher of ours says that it runs, or as the config `node` of Hydra's joblib or submitit says.
    """
    said = getattr(launcher, "at_once", None) or node.get("n_jobs") or node.get("array_parallelism")
    number = settings.jobs or said or 1
    return number if number > 0 else os.cpu_count() or 1  # joblib's -1 stands for all processors
