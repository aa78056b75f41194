"""The tokens that a net knows: the most frequent ones of the training split, by number.

Shapes: N texts, B batch, L tokens, V known tokens.
"""

import torch
from torch import Tensor

from src.net.padding import PADDING, UNKNOWN

LEAST = 2  # how often a token occurs that is known: those that occur once teach what becomes of unknown ones


class Vocabulary:
    """Gives the numbers, below `size`, of tokens that are known by their hashes (src.data.read.tokens).

    PADDING stays PADDING, and a token that the training split has not, or not among its most frequent ones, is UNKNOWN.
    """

    def __init__(self, size: int):
        self.size = size
        self.token_V = torch.empty(0, dtype=torch.long)  # from the most to the least frequent
        self._sorted: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __bool__(self) -> bool:
        """Whether it has learnt anything."""
        return len(self.token_V) > 0

    def learn(self, token_NL: Tensor) -> None:
        """Know the most frequent tokens, of equally frequent ones those with the smaller hash."""
        token_V, count_V = token_NL[token_NL != PADDING].unique(return_counts=True)
        order_V = count_V.argsort(descending=True, stable=True)
        self.know(token_V[order_V[count_V[order_V] >= LEAST]][: self.size - 2])
        if not self:
            raise ValueError(f"no token occurs {LEAST} times in the training texts: give more of them, or longer ones")

    def know(self, token_V: Tensor) -> None:
        """Take over what another one has learnt."""
        self.token_V = token_V
        self._sorted.clear()

    def __call__(self, token_BL: Tensor) -> Tensor:
        """Return number_BL, int64, without the columns in which every text is over."""
        known_V, number_V = self._on(token_BL.device)
        place_BL = torch.searchsorted(known_V, token_BL).clamp(max=len(known_V) - 1)
        number_BL = torch.where(known_V[place_BL] == token_BL, number_V[place_BL], UNKNOWN)
        number_BL = torch.where(token_BL == PADDING, PADDING, number_BL)
        longest = int((token_BL != PADDING).sum(dim=1).max()) if len(token_BL) else 1
        return number_BL[:, : max(longest, 1)]

    def facts(self) -> dict[str, object]:
        """Return what who serves a net has to know of it: the number of tokens that there can be."""
        return {"vocabulary": self.size}

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the hashes in order, and the number of each, on a device: one transfer and not one per batch."""
        if device not in self._sorted:
            known_V, order_V = self.token_V.to(device).sort()
            self._sorted[device] = known_V, order_V + UNKNOWN + 1
        return self._sorted[device]
