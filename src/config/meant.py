"""The key that somebody means who types one that there is not: its full path, or another framework's name for it."""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.allow import resolve
from src.config.build import targets

# What other frameworks call a thing, for keys that no config file need list.
ELSEWHERE = {
    **dict.fromkeys(("epochs", "epoch", "num_epochs", "n_epochs", "max_epochs"), "trainer.max_epochs"),
    **dict.fromkeys(("steps", "max_steps"), "trainer.max_steps"),
    **dict.fromkeys(("gpus", "gpu", "devices", "num_gpus"), "trainer.devices"),
    **dict.fromkeys(("clip", "grad_clip", "clip_grad", "gradient_clip_val"), "trainer.gradient_clip_val"),
    **dict.fromkeys(("precision", "fp16", "bf16", "amp"), "trainer.precision"),
    **dict.fromkeys(("lr", "learning_rate", "rate"), "optimizer.lr"),
    **dict.fromkeys(("wd", "weight_decay"), "optimizer.weight_decay"),
    "momentum": "optimizer=sgd optimizer.momentum",
    **dict.fromkeys(("optim", "optimiser"), "optimizer"),
    **dict.fromkeys(("sched", "lr_scheduler"), "scheduler"),
    **dict.fromkeys(("bs", "batch", "batch_size"), "data.batch_size"),
    **dict.fromkeys(("workers", "num_workers"), "data.workers"),
    **dict.fromkeys(("image_size", "img_size"), "data.image_size"),
    **dict.fromkeys(("root", "data_root"), "data.root"),
    **dict.fromkeys(("dataset", "datamodule"), "data"),
    **dict.fromkeys(("net", "arch", "network"), "model"),
    **dict.fromkeys(("weights", "pretrained"), "model.weights"),
    **dict.fromkeys(("callbacks",), "callback"),
    **dict.fromkeys(("output", "output_dir", "out_dir", "save_dir"), "hydra.run.dir"),
}


def unknown(key: str, config: DictConfig, names: list[str]) -> str:
    """Return what to say of a key that is none of `names`: the one that is meant, or all there are.

    `config` is where it was looked for, with all that is below.
    """
    name = key.rpartition(".")[2]
    near = get_close_matches(name, names, n=1, cutoff=0.75)
    below = [path for path in _paths(OmegaConf.to_container(config, resolve=False)) if path.endswith(f".{name}")]
    said = ELSEWHERE.get(name, "")
    found = [said] if re.split("[.=]", said)[0] in names and said != key else near or below[:1]
    found = found or [*_taken(config, name)][:1] or get_close_matches(name, names, n=1)
    return f"unknown key {key!r}: " + (f"did you mean {found[0]}?" if found else f"choose from {', '.join(names)}")


def _taken(config: DictConfig, name: str) -> Iterator[str]:
    """Yield the paths of an argument that classes of the config take and no file of it lists."""
    for path, node in targets(OmegaConf.to_container(config, resolve=False)):
        with suppress(Exception):  # a class that is not allowed, not there, or whose name is an interpolation
            if name in inspect.signature(resolve(node["_target_"])).parameters:
                yield f"{path}.{name}"


def _paths(node: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of everything in `node`, what is near first."""
    if isinstance(node, Mapping):
        yield from (f"{path}{key}" for key in node)
        for key, value in node.items():
            yield from _paths(value, f"{path}{key}.")
