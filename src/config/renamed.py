"""What earlier versions called the things in a recorded config, and what they are called now; torch-free.

Run folders live longer than versions: eval, predict, explain, export and report read the folders of every format.

Whoever moves or renames a class or function that a `_target_` of conf names adds a line to TARGETS; whoever moves or
renames a key adds one to KEYS; where a node changes its form, a function from node to node in NODES says how, under
the `_target_` that the node had. Lines stay for good, and a name that stands on the left is never used again.
tests/run/test_format.py holds the names and the folders of earlier versions.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FORMAT = 2  # `format` in run.json; folders of versions up to 0.3 have none, and are 1

TARGETS = {
    "src.trainer.trainer.Trainer": "src.fit.trainer.Trainer",
    "src.callback.checkpoint.Checkpoint": "src.fit.checkpoint.Checkpoint",
    "src.callback.guard.Guard": "src.fit.guard.Guard",
    "src.callback.progress.ProgressBar": "src.fit.progress.ProgressBar",
    "src.logger.csv.CSV": "src.fit.csv_logger.CSV",
    "src.run.checkpoint.CheckpointIO": "src.run.checkpoint_io.CheckpointIO",
    "src.data.cifar10.cifar10": "src.data.read.cifar10.cifar10",
    "src.data.digits.digits": "src.data.read.digits.digits",
    "src.data.image_folder.image_folder": "src.data.read.image_folder.image_folder",
    "src.data.karate.karate": "src.data.read.karate.karate",
    "src.data.karate.karate_graph": "src.data.read.karate.karate_graph",
    "src.data.logic_gate.logic_gate": "src.data.read.logic_gate.logic_gate",
    "src.data.mnist.fashionmnist": "src.data.read.mnist.fashionmnist",
    "src.data.mnist.mnist": "src.data.read.mnist.mnist",
    "src.model.binary.Binary": "src.task.binary.Binary",
    "src.model.multiclass.Multiclass": "src.task.multiclass.Multiclass",
    "src.model.regression.Regression": "src.task.regression.Regression",
    "src.data.temperature.temperature": "src.data.read.temperature.temperature",
}
KEYS: dict[str, str | None] = {  # its path from the top, such as data.workers, to its path now, None where it is gone
    "trainer.steps_per_call": None,
    "task.binary.model": "task.binary._target_",
    "task.multiclass.model": "task.multiclass._target_",
    "task.regression.model": "task.regression._target_",
}


def _supervised(node: dict[str, Any]) -> dict[str, Any]:
    """Return the model whose `_target_` was a class per task."""
    task = TARGETS.get(node["_target_"], "${task.${data.task}._target_}")
    return {**node, "_target_": "src.model.supervised.Supervised", "task": {"_target_": task}}


NODES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {  # before TARGETS and KEYS
    "${task.${data.task}.model}": _supervised,
    "src.model.binary.Binary": _supervised,
    "src.model.multiclass.Multiclass": _supervised,
    "src.model.regression.Regression": _supervised,
}


def renamed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a recorded config, resolved or not, in which all is called as it is now."""
    found = _renamed(config)
    for old, new in KEYS.items():
        *parents, key = old.split(".")
        node = _at(found, parents)
        if not isinstance(node, dict) or key not in node:
            continue
        value = node.pop(key)
        if new:
            *parents, name = new.split(".")
            _at(found, parents, makes=True)[name] = value
    return found


def as_it_was(config: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a config of a format with what its version took for granted, and this one does not."""
    data = config.get("data")
    if number == 1 and isinstance(data, dict) and str(data.get("_target_")).startswith("src.data."):
        return {**config, "data": {"scale": 255.0, **data}}  # of samples of any dtype
    return config


def check_format(fields: Mapping[str, Any], path: Path) -> int:
    """Return the format of the run whose run.json has these fields; raises ValueError for a later one than FORMAT."""
    number = fields.get("format", 1)
    if not isinstance(number, int) or number > FORMAT:
        raise ValueError(
            f"{path}: format={number}: written by a later version; this version reads up to format {FORMAT}: upgrade it"
        )
    return number


def run_format(folder: Path) -> int:
    """Return the format of a run folder, 1 where its run.json cannot say; raises ValueError for a later one."""
    path = folder / "run.json"
    try:
        fields = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):  # whoever needs the record names the damage
        return 1
    return check_format(fields, path) if isinstance(fields, dict) else 1


def _renamed(node: Any) -> Any:
    if isinstance(node, list):
        return [_renamed(part) for part in node]
    if isinstance(node, Mapping):
        change = NODES.get(str(node.get("_target_")))
        node = change(dict(node)) if change else node
        return {key: _renamed(value) for key, value in node.items()}
    return TARGETS.get(node, node) if isinstance(node, str) else node


def _at(node: Any, path: list[str], *, makes: bool = False) -> Any:
    """Return the node at `path`, None where there is none; `makes` those that are missing."""
    for key in path:
        node = node.setdefault(key, {}) if makes else node.get(key) if isinstance(node, dict) else None
    return node
