"""How texts become numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from src.data.ranges import check_choices, check_counts
from src.data.read.tokens import hashed
from src.data.transform.vocabulary import Vocabulary


@dataclass(frozen=True)
class Tokenizing:
    """What texts are cut into, and how much of it a net sees.

    The `unit` is a word, a character or a byte, None where samples are no texts. A text has its first `length` of them;
    `vocabulary` counts the numbers that they can have, of which two are padding and what is unknown. In a table texts
    stand in the column `text`.
    """

    unit: str | None = None
    text: str = "text"
    length: int = 64
    vocabulary: int = 20_000

    def __post_init__(self) -> None:
        """Raise ValueError for what is no unit, and for what leaves nothing of a text."""
        check_choices(unit=self.unit)
        check_counts(length=(self.length, 1), vocabulary=(self.vocabulary, 3))

    def check(self, mixup: float) -> None:
        """Raise ValueError where samples that are texts are to be blended."""
        if self.unit and mixup:
            raise ValueError(f"data.mixup={mixup}: numbers are blended, and these samples are texts: set data.mixup=0")

    def hashed(self, texts: Iterable[str]) -> Tensor:
        """Return the tokens of texts (N, L) as hashes."""
        return hashed(texts, unit=self.unit or "word", length=self.length)

    def learning(self) -> Vocabulary | None:
        """Return what is to learn the tokens of the training split; None where samples are no texts."""
        return Vocabulary(self.vocabulary) if self.unit else None
