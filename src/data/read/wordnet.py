"""Definitions of nouns and what kind of thing they define, from WordNet 3.0 (Fellbaum 1998; Miller 1995).

Its files are those of https://wordnet.princeton.edu; Debian's package wordnet-base has them. Each line of `data.noun`
is a set of synonyms: its place in the file, the number of the file that its authors wrote it in, which is its kind,
its words, and behind a bar its definition, examples behind semicolons (wndb(5WN), lexnames(5WN)).

Shapes: N definitions, L tokens.
"""

from pathlib import Path

import torch
from torch import Tensor

from src.data.dataset import dataset
from src.data.read.tokens import hashed

DEBIAN = "/usr/share/wordnet"  # where its package wordnet-base puts them
FIRST = 3  # the number of the first of the nouns' files


@dataset()
def wordnet(root: str, *, unit: str, length: int, split: str) -> tuple[Tensor, Tensor]:
    """Return the tokens of each definition (N, L), without examples, and the number of its kind (N,), from 0."""
    path = next((path for place in (root, DEBIAN) if (path := Path(place, "data.noun")).is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{root}/data.noun does not exist: put WordNet's files there, or have Debian do so in {DEBIAN} (apt-get "
            "install wordnet-base), or set data.root=FOLDER"
        )
    lines = [line for line in path.read_text(encoding="latin-1").splitlines() if not line.startswith("  ")]
    facts, glosses = zip(*(line.split(" | ", 1) for line in lines), strict=True)
    kind_N = torch.tensor([int(fact.split(" ", 2)[1]) - FIRST for fact in facts])
    definitions = (gloss.partition(";")[0].strip() for gloss in glosses)
    return hashed(definitions, unit=unit, length=length), kind_N
