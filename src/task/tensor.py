"""The tensor in what a net gives, whatever it is wrapped in."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

NAMES = ("logits", "out", "prediction", "predictions", "output")  # of the first that is there


def tensor(output: Any) -> Tensor:
    """Return a net's output where it is a tensor, else what it has under one of NAMES.

    Raises ValueError for an object, a dict or a tuple that has none of them.
    """
    if isinstance(output, Tensor):
        return output
    for name in NAMES:
        found = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(found, Tensor):
            return found
    raise ValueError(
        f"its output is a {type(output).__name__}, which has no tensor under any of {', '.join(NAMES)}: "
        "let the net return a tensor"
    )
