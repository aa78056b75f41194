"""What the columns of a table are; of other data, what the numbers to predict are called."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """What stands in which column, and how numbers to predict are scaled.

    `target` names the numbers to predict, `target_mean` and `target_std` are theirs in the training split, by which a
    regression scales them. A table has `inputs`, the `categories` of each, None for numbers, and `holes`, the numbers
    of which the net is told whether they are missing.
    """

    target: str | Sequence[str] = "target"
    target_mean: Sequence[float] | None = None
    target_std: Sequence[float] | None = None
    inputs: Sequence[str] | None = None
    categories: Sequence[Sequence[str] | None] | None = None
    holes: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where inputs and categories are not of the same columns."""
        if len(self.inputs or ()) != len(self.categories or ()):
            raise ValueError(
                f"data.inputs={self.inputs}: data.categories={self.categories} has no list or null for each: set both "
                "to null"
            )

    @property
    def targets(self) -> list[str]:
        """The names of the numbers to predict."""
        return [self.target] if isinstance(self.target, str) else list(self.target)

    def stored(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a sample as it is stored: rows of a table are made wider for the net."""
        return tuple(shape) if self.inputs is None else (len(self.inputs),)
