"""The best trial of a search as an experiment file: what makes its config differ from the default one."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from src.config.compose import compose
from src.config.hash import telling
from src.config.schema import options
from src.run.folder import shown
from src.run.record import read
from src.run.standing import fields, rank
from src.run.write import write

NAME = "best.yaml"
OVERLAYS = ("experiment", "debug", "local", "search")  # no parts of a run: the values they set are in the file
MISSING = object()


def write_best(config: DictConfig, jobs: Sequence[tuple[Path, list[str]]], *, mode: str) -> None:
    """Write the file for the best of `jobs` beside their folders, and say so; nothing where no job is done."""
    done = [(folder, words) for folder, words in jobs if rank(fields(folder), False)[0] == 0]
    if not done:
        return
    folder, words = min(done, key=lambda job: rank(fields(job[0]), mode == "max"))
    run, search = read(folder), config.hydra.runtime.choices.search
    score = f"{run['best']['metric']} {run['best']['value']:.4f}"
    how = f"(seed {run['seed']}) in {run['seconds']:.0f} s on {run['host']['cpu']}, {run['ended'][:10]}"
    removed = [word for word in words if word.startswith("~")]  # what no file can say
    comment = [
        "# @package _global_",
        f"# python -m src.train {shlex.join(['experiment=best', *removed])}",
        f"# {score} {how}: the best of {len(jobs)} trials of search={search}, {folder.name}",
    ]
    path = Path(config.hydra.sweep.dir) / NAME
    write(path, "\n".join([*comment, overlay(compose(config, 0, words))]))
    print(f"best: {score} in {shown(folder)}, as an experiment in {shown(path)}")


def overlay(job: DictConfig) -> str:
    """Return, as YAML, the options and values that lead from the default config to a job's."""
    default, loaded = _composed([]), job.hydra.runtime.choices
    groups = [group for group in default.hydra.runtime.choices if "/" not in group and group not in OVERLAYS]
    chosen = {group: loaded[group] for group in groups if loaded[group] != default.hydra.runtime.choices[group]}
    if set(default.callback) - set(job.callback):
        kept = [name for name in job.callback if name in options("callback")]
        chosen["callback"] = f"[{', '.join(kept)}]"
    overridden = [f"  - override /{group}: {option}" for group, option in chosen.items()]
    base = _composed([f"{group}={option}" for group, option in chosen.items()])
    values = _changed(_plain(job), _plain(base))
    parts = ["\n".join(["defaults:", *overridden, ""])] if overridden else []
    return "\n".join([*parts, OmegaConf.to_yaml(OmegaConf.create(values))] if values else parts)


def _composed(words: list[str]) -> DictConfig:
    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration("train", words, RunMode.RUN)


def _plain(config: DictConfig) -> dict[str, Any]:
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return telling(OmegaConf.to_container(own, resolve=False))  # type: ignore[arg-type]


def _changed(node: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of `node` that are not so in `default`."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        other = default.get(key, MISSING)
        if value == other:
            continue
        both = isinstance(value, dict) and isinstance(other, dict)
        if part := _changed(value, other) if both else value:
            found[key] = part
        elif not both:
            found[key] = value
    return found
