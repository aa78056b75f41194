"""One line of the benchmark table: what was measured, what is asked of it, what came out."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

HEADER = ("what", "asked", "measured", "spread", "met", "sides")


@dataclass(frozen=True)
class Row:
    """`values` are one measurement per round, ratios or numbers in `unit`; the median of them is what counts.

    Where nothing is `asked`, the row tells and judges nothing.
    """

    what: str
    values: Sequence[float]
    asked: float | None
    at_most: bool = False
    unit: str = ""
    sides: str = ""  # what stood against what, in absolute numbers

    @property
    def measured(self) -> float:
        """The median over rounds."""
        return median(self.values)

    @property
    def met(self) -> bool:
        """Whether the median is what was asked."""
        if self.asked is None:
            return True
        return self.measured <= self.asked if self.at_most else self.measured >= self.asked

    def cells(self) -> tuple[str, ...]:
        """The row as text, one cell per column of HEADER."""
        bound = "at most" if self.at_most else "at least"
        low, high = min(self.values), max(self.values)
        return (
            self.what,
            "" if self.asked is None else f"{bound} {self.asked:.2f}{self.unit}",
            f"{self.measured:.2f}{self.unit}",
            f"{low:.2f} to {high:.2f} in {len(self.values)}",
            "" if self.asked is None else "yes" if self.met else "NO",
            self.sides,
        )
