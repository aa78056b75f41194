"""What of a table follows from its training split alone: means, deviations, what is missing, passes of an epoch.

Shapes: N rows, C columns, K targets.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from src.data.read.arrays import Arrays, Meaning
from src.data.read.choose import choose, class_numbers
from src.data.split.splitting import Splitting

MEASURED = ("shape", "mean", "std", "holes", "passes")  # of all tables
STEPS = 100  # in an epoch, or more


def measured(read: Arrays, meaning: Meaning, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that a run with these settings takes from its training rows.

    Raises ValueError where they lack a class that other rows have.
    """
    rows_N = _training(read, meaning, settings)
    mean, std, holes = list[float](), list[float](), list[str]()
    for place, (name, categories) in enumerate(zip(meaning.inputs, meaning.categories, strict=True)):
        value_N = read.input_NC[rows_N, place].double()
        there_N = value_N[value_N.isfinite()]
        is_number = categories is None and len(there_N) > 0
        mean.append(_short(there_N.mean()) if is_number else 0.0)
        std.append((_short(there_N.std(correction=0)) or 1.0) if is_number else 1.0)
        holes += [name] if categories is None and len(there_N) < len(value_N) else []
    width = sum(1 if categories is None else len(categories) for categories in meaning.categories) + len(holes)
    batches = math.ceil(len(rows_N) / settings.get("batch_size", 100))
    found = {"mean": mean, "std": std, "holes": holes, "shape": [width], "passes": math.ceil(STEPS / batches)}
    target_NK = read.target_N[rows_N].double().reshape(len(rows_N), -1)
    units = [(_short(one_N.mean()), _short(one_N.std(correction=0)) or 1.0) for one_N in target_NK.T]
    is_classes = meaning.labels is not None
    return found | {
        "target_mean": None if is_classes else [center for center, _ in units],
        "target_std": None if is_classes else [deviation for _, deviation in units],
    }


def _training(read: Arrays, meaning: Meaning, settings: Mapping[str, Any]) -> Tensor:
    """Return which rows a run trains on."""
    takes = inspect.signature(Splitting).parameters
    splitting = Splitting(**{name: value for name, value in settings.items() if name in takes and value is not None})
    is_chosen_N = torch.ones(len(read.target_N), dtype=torch.bool)
    is_train_N = torch.tensor([name == "train" for name in read.split_N]) if read.split_N else is_chosen_N
    class_N, classes = read.target_N, list(settings.get("classes") or meaning.labels or ())
    if meaning.labels is not None:
        class_N, rows = choose(read.target_N, class_numbers(classes, list(meaning.labels)))
        is_chosen_N = torch.zeros_like(is_chosen_N).index_fill(0, rows, True)
    source_M = (is_train_N & is_chosen_N).nonzero().squeeze(1)
    class_M = class_N[source_M] if meaning.labels is not None else None
    group_M = None if read.group_N is None else read.group_N[source_M]
    rows_N = source_M[splitting.parts("train", len(source_M), class_N=class_M, group_N=group_M)["train"]]
    if meaning.labels is not None:
        _check_classes(class_N[is_chosen_N], class_N[rows_N], meaning.targets[0], classes)
    return rows_N


def _check_classes(everywhere_N: Tensor, trained_M: Tensor, target: str, classes: Sequence[str]) -> None:
    absent = sorted({*everywhere_N.tolist()} - {*trained_M.tolist()})
    if absent:
        name, rows = classes[absent[0]], int((everywhere_N == absent[0]).sum())
        raise ValueError(
            f"data.target={target}: no row of class {name} is in train, and {rows} elsewhere: add some to "
            "train, or name the others in data.classes"
        )


def _short(value: Tensor) -> float:
    """Return a number with the digits that float32 has."""
    return float(f"{value.item():.7g}")
