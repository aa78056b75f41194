"""What a text is cut into: words, characters or bytes, each as a number that follows from it alone.

Shapes: N texts, L tokens.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from src.net.padding import PADDING

_normal = partial(unicodedata.normalize, "NFC")  # a Mac writes a Hangul syllable as its letters
WORD = re.compile(r"\w+|[^\w\s]")  # a mark of punctuation is a word
UNITS: dict[str, Callable[[str], Sequence[str]]] = {
    "word": lambda text: WORD.findall(_normal(text).casefold()),
    "character": lambda text: _normal(text),
    "byte": lambda text: text.encode().decode("latin-1"),
}


def tokens(text: str, unit: str) -> Sequence[str]:
    """Return the tokens of a text: words in lower case and punctuation, characters, or bytes of UTF-8."""
    return UNITS[unit](text)


def hashed(texts: Iterable[str], *, unit: str, length: int) -> Tensor:
    """Return a 63-bit hash of each text's first `length` tokens (N, L), int64, filled up with PADDING behind them.

    Which tokens there are need not be known for it: that is learnt later, from training texts alone.
    """
    known: dict[str, int] = {}
    rows = []
    for text in texts:
        row = np.full(length, PADDING, dtype=np.int64)
        found = tokens(text, unit)[:length]
        for token in found:
            if token not in known:
                known[token] = _hash(token)
        row[: len(found)] = [known[token] for token in found]
        rows.append(row)
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, length, dtype=torch.long)


def _hash(token: str) -> int:
    return (int.from_bytes(blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1) or 1
