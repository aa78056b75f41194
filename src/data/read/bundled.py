"""Tables that come with scikit-learn, real and offline: iris, wine, breast_cancer, diabetes, linnerud.

Shapes: N rows, C columns.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from src.data.dataset import dataset
from src.data.read.arrays import Arrays, Meaning
from src.data.read.measured import MEASURED, measured

NAMES = ("iris", "wine", "breast_cancer", "diabetes", "linnerud")


def facts(
    *, name: str, target: str | Sequence[str], labels: Sequence[str] | None = None, **settings: Any
) -> Mapping[str, Any]:
    """Return the columns of a table, and what follows from the rows that a run trains on."""
    read, meaning = _read(name, target, labels)
    found = {"inputs": list(meaning.inputs), "categories": [None] * len(meaning.inputs)}
    return found | measured(read, meaning, settings | found)


@dataset(facts=facts, tells=("inputs", "categories", *MEASURED))
def bundled(
    name: str, target: str | Sequence[str], *, labels: Sequence[str] | None = None, split: str
) -> tuple[Tensor, Tensor]:
    """Return inputs (N, C) and targets: class numbers, which `labels` name, or numbers, of several targets (N, K)."""
    read, _ = _read(name, target, labels)
    return read.input_NC, read.target_N


def _read(name: str, target: str | Sequence[str], labels: Sequence[str] | None) -> tuple[Arrays, Meaning]:
    if name not in NAMES:
        raise ValueError(f"data.name={name}: choose from {', '.join(NAMES)}, or data=csv data.file=... for your own")
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(import_module("sklearn.datasets"), f"load_{name}")(**options)  # takes 0.3 s to import
    inputs = tuple(map(str, bunch.feature_names))
    targets = (target,) if isinstance(target, str) else tuple(target)
    target_N = torch.from_numpy(bunch.target)
    read = Arrays(
        torch.from_numpy(bunch.data).float(), target_N.float() if labels is None else target_N.long(), None, None
    )
    return read, Meaning(inputs, (None,) * len(inputs), targets, None if labels is None else tuple(labels))
