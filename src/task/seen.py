"""What the samples of a score were, which says whether it has a value: counts of classes, ranges of numbers.

Shapes: N samples, K classes.
"""

import torch
from torch import Tensor
from torchmetrics import Metric


class Counts(Metric):
    """How many samples each of K classes has."""

    full_state_update = False
    count_K: Tensor

    def __init__(self, classes: int):
        super().__init__()
        self.add_state("count_K", torch.zeros(classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predictions_N: Tensor, labels_N: Tensor) -> None:
        """Count."""
        number_K = torch.arange(len(self.count_K), device=labels_N.device)
        self.count_K += (labels_N.flatten()[:, None] == number_K).sum(dim=0)

    def compute(self) -> Tensor:
        """Return count_K."""
        return self.count_K


class Labelled(Metric):
    """How many samples have each of K labels, and how many do not."""

    full_state_update = False
    count_2K: Tensor

    def __init__(self, labels: int):
        super().__init__()
        self.add_state("count_2K", torch.zeros(2, labels, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predictions_NK: Tensor, labels_NK: Tensor) -> None:
        """Count."""
        self.count_2K += torch.stack([(labels_NK == value).sum(dim=0) for value in (0, 1)])

    def compute(self) -> Tensor:
        """Return count_2K: the samples without each label, and with it."""
        return self.count_2K


class Ranges(Metric):
    """The lowest and the highest of the predictions, and of the targets; of several `targets`, of each."""

    full_state_update = False
    lowest: Tensor
    highest: Tensor

    def __init__(self, *targets: int):
        super().__init__()
        self.add_state("lowest", torch.full((2, *targets), torch.inf), dist_reduce_fx="min")
        self.add_state("highest", torch.full((2, *targets), -torch.inf), dist_reduce_fx="max")

    def update(self, predictions_N: Tensor, labels_N: Tensor) -> None:
        """Widen the ranges."""
        both = [values_N.float() for values_N in (predictions_N, labels_N)]
        both = both if self.lowest.ndim > 1 else [values_N.flatten() for values_N in both]
        self.lowest = torch.minimum(self.lowest, torch.stack([values_N.amin(dim=0) for values_N in both]))
        self.highest = torch.maximum(self.highest, torch.stack([values_N.amax(dim=0) for values_N in both]))

    def compute(self) -> Tensor:
        """Return whether the predictions differ, and whether the targets do."""
        return self.highest > self.lowest
