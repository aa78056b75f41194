"""What every task has to say; a new one is a file beside this and a file in conf/task.

Shapes: B batch, K outputs.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from src.task.class_weights import stated
from src.task.metric import made, tried


class Task(ABC):
    """What is predicted: K `outputs`, judged by `loss` and by `metrics`.

    Of `metrics` each is a name of torchmetrics in snake case, such as `accuracy`, `f1` or `calibration_error`, or a
    metric of one's own. `class_weights` weigh the loss: one number per class, or "balanced", inversely to the classes'
    frequencies in the training split, which the model tells. `form` says what is said of a sample, and so how it is
    written and pictured: classes, labels, numbers or masks; "" leaves it to the data's classes.
    """

    form = ""
    units: tuple[list[float], list[float]] | None = None  # mean and std of what outputs stand for, where they differ

    def __init__(
        self,
        *,
        outputs: int,
        loss: nn.Module,
        metrics: str | Iterable[str | Metric] = (),
        class_weights: str | Sequence[float] | None = None,
    ):
        self.outputs = outputs
        self.loss = loss
        self.class_weights = class_weights
        self.metrics = made([metrics] if isinstance(metrics, str) else metrics, self.metric)
        with torch.device("cpu"):  # also where the net is built without memory
            for name, metric in self.metrics.items():
                tried(name, metric, *self.example(), score=lambda *named: self.score(*named)[0], seen=self.seen())
        if class_weights is not None:
            self.weigh(stated(class_weights, outputs=outputs if self.form == "labels" else max(outputs, 2)))

    @abstractmethod
    def metric(self, name: str) -> Metric:
        """Return the torchmetrics metric that `name` stands for in this task."""

    @abstractmethod
    def predict(self, output_BK: Tensor) -> Tensor:
        """Return what the metrics score: probabilities, or numbers for regression."""

    def kept(self, output_BK: Tensor) -> Tensor:
        """Return what has to be kept of outputs until they are scored."""
        return output_BK

    def scored(self, kept_BK: Tensor) -> Tensor:
        """Return what the metrics score, of what was kept."""
        return self.predict(kept_BK)

    @abstractmethod
    def example(self) -> tuple[Tensor, Tensor]:
        """Return predictions and labels that every score can be had of."""

    @abstractmethod
    def seen(self) -> Metric:
        """Return what keeps of predictions and labels all that `undefined` and `averaged` ask for."""

    def undefined(self, name: str, seen: Metric) -> str:
        """Return why the metric of that name has no value for what was seen; "" where it has."""
        return ""

    def averaged(self, name: str, value: Tensor, seen: Metric) -> tuple[Tensor, str]:
        """Return one number for what a metric computes, and what is to be said of it, "" for nothing."""
        return value, ""

    def score(self, name: str, metric: Metric, seen: Metric) -> tuple[Tensor | None, str]:
        """Return a metric's value, None where it has none, and what is to be said of it, "" for nothing."""
        if reason := self.undefined(name, seen):
            return None, reason
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No (positive|negative) samples")  # which the note says
            computed = metric.compute()
        value, note = self.averaged(name, computed, seen)
        if isinstance(value, Tensor) and value.numel() == 1 and not value.isfinite():
            return None, f"it is {value.item()}"
        return value, note

    def scores(self, name: str, metric: Metric, seen: Metric) -> tuple[dict[str, Tensor], str]:
        """Return a metric's values by their names, nothing where it has none, and what is to be said of it."""
        value, note = self.score(name, metric, seen)
        return {} if value is None else {name: value}, note

    def score_names(self) -> list[str]:
        """Return the names of all values that `scores` may give."""
        return list(self.metrics)

    def output(self, output_BK: Tensor) -> Tensor:
        """Return what a net gave in the form the loss wants; raises ValueError where it is of another shape."""
        if tuple(output_BK.shape[1:]) != (self.outputs,):
            size, shape = len(output_BK), list(output_BK.shape)
            raise ValueError(f"its output for {size} samples has shape {shape}, expected [{size}, {self.outputs}]")
        return output_BK

    def target(self, target_B: Tensor) -> Tensor:
        """Return the targets in the form the loss wants."""
        return target_B

    def label(self, target_B: Tensor) -> Tensor:
        """Return the targets in the form the metrics want; those of mixed samples become the larger part's."""
        return target_B

    def weigh(self, weight_K: Tensor) -> None:
        """Weigh the classes in the loss; raises ValueError where the loss or the task has no such weights."""
        raise ValueError(f"model.class_weights={self.class_weights}: {type(self).__name__} has no classes: remove it")

    def mass(self, target_B: Tensor) -> Tensor | None:
        """Return what the loss divides its sum over these samples by; None where that is their number."""
        return None
