"""What is true of a dataset, whatever is done with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from src.data.ranges import check_choices, check_classes
from src.data.read.choose import class_numbers


@dataclass(frozen=True)
class Facts:
    """What a dataset's config states of it; what can be verified is, when the samples are read.

    `shape` is that of a sample, `mean` and `std` are of samples divided by their scale, one for all or one for each
    channel. `labels` name what the dataset's numbers mean where `classes` is a choice of them: samples of other classes
    are left out, and the chosen ones renumbered in their order. `classes` are None where numbers are to be predicted.
    Where samples are the nodes of a `graph`, the net gets it whole. `axes` say on pictures what the one input and the
    target of a regression are, with their units.
    """

    shape: Sequence[int]
    classes: Sequence[str] | None
    task: str
    labels: Sequence[str] | None = None
    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)
    axes: Sequence[str] = ("input", "target")
    graph: object = None

    def __post_init__(self) -> None:
        """Raise ValueError for a task that there is not, and for classes that the dataset does not have."""
        check_choices(task=self.task)
        check_classes(self.classes, self.task)
        class_numbers(self.classes or (), self.names or ())

    @property
    def names(self) -> list[str] | None:
        """What the dataset's numbers mean; None where they are numbers to predict."""
        names = self.classes if self.labels is None else self.labels
        return None if names is None else list(names)

    @property
    def numbers(self) -> list[int] | None:
        """The dataset's numbers of the chosen classes; None where all are chosen in their order."""
        chosen, names = list(self.classes or ()), self.names or []
        return None if chosen == names else class_numbers(chosen, names)
