"""What a net says of samples, as rows: of classes, of sets of labels, of numbers.

Shapes: B batch, K classes, labels or numbers.
"""

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any, Protocol

import torch
from torch import Tensor

Row = dict[str, Any]


class Form(Protocol):
    """The rows of one kind of prediction."""

    def columns(self, *, has_target: bool) -> list[str]:
        """Return the columns of the table."""

    def target(self, target: Tensor) -> Row:
        """Return what is true of a sample."""

    def rows(self, score_B: Tensor, names: Sequence[str]) -> Iterator[Row]:
        """Yield what is said of each sample, which are called `names`."""


class Ranked:
    """Rows with `label`, `probability` and `top_k`, the most probable classes with their probabilities."""

    def __init__(self, classes: Sequence[str], *, top_k: int):
        self.classes = classes
        self.top_k = top_k

    def columns(self, *, has_target: bool) -> list[str]:
        """Return the columns of the table: label, probability, label_2, probability_2 and so on before error."""
        ranks = ["", *(f"_{rank}" for rank in range(2, min(self.top_k, len(self.classes)) + 1))]
        ranked = [f"{name}{rank}" for rank in ranks for name in ("label", "probability")]
        return ["path", *(["target"] if has_target else []), *ranked, "error"]

    def target(self, target: Tensor) -> Row:
        """Return the class that a sample is of."""
        return {"target": self.classes[int(target)]}

    def rows(self, score_B: Tensor, names: Sequence[str]) -> Iterator[Row]:
        """Yield what is said of each sample."""
        probability_BK = score_B if score_B.ndim == 2 else torch.stack([1 - score_B, score_B], dim=1)
        best = probability_BK.topk(min(self.top_k, len(self.classes)))
        for values, numbers in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            ranked = [{"label": self.classes[k], "probability": p} for k, p in zip(numbers, values, strict=True)]
            yield {**ranked[0], "top_k": ranked}


class Numbers:
    """Rows with `prediction`, or of several `targets` with one for each by its name."""

    def __init__(self, targets: Sequence[str]):
        self.targets = targets

    def columns(self, *, has_target: bool) -> list[str]:
        """Return the columns of the table."""
        kinds = ["target", "prediction"] if has_target else ["prediction"]
        return ["path", *(name for kind in kinds for name in self._names(kind)), "error"]

    def target(self, target: Tensor) -> Row:
        """Return the numbers of a sample."""
        return self._row("target", target)

    def rows(self, score_B: Tensor, names: Sequence[str]) -> Iterator[Row]:
        """Yield what is said of each sample."""
        yield from (self._row("prediction", values) for values in score_B)

    def _names(self, kind: str) -> list[str]:
        return [kind] if len(self.targets) < 2 else [f"{kind}({name})" for name in self.targets]

    def _row(self, kind: str, values: Tensor) -> Row:
        return dict(zip(self._names(kind), values.reshape(-1).tolist(), strict=True))


class Sets:
    """Rows with `labels`, those above the task's threshold, and `probabilities` of all by their names."""

    def __init__(self, model: Any, classes: Sequence[str]):
        self.threshold = model.task.threshold
        self.classes = classes

    def columns(self, *, has_target: bool) -> list[str]:
        """Return the columns of the table, with one per label."""
        target = ["target"] if has_target else []
        return ["path", *target, "labels", *(f"P({name})" for name in self.classes), "error"]

    def target(self, target_K: Tensor) -> Row:
        """Return the labels that a sample has."""
        return {"target": list(compress(self.classes, (target_K > 0.5).tolist()))}

    def rows(self, probability_BK: Tensor, names: Sequence[str]) -> Iterator[Row]:
        """Yield what is said of each sample."""
        for values in probability_BK.tolist():
            found = [name for name, value in zip(self.classes, values, strict=True) if value > self.threshold]
            yield {"labels": found, "probabilities": dict(zip(self.classes, values, strict=True))}
