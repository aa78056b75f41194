"""The tensors of a batch, however it nests them."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

PLACES = 8  # of a tensor that are looked at


def leaves(batch: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (name, part) of what is no container in nested mappings, lists, tuples and dataclasses."""
    if isinstance(batch, Mapping):
        inner = [(f"{name}.{key}".lstrip("."), part) for key, part in batch.items()]
    elif isinstance(batch, list | tuple):
        inner = [(f"{name}[{number}]", part) for number, part in enumerate(batch)]
    elif dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        fields = [field.name for field in dataclasses.fields(batch)]
        inner = [(f"{name}.{field}".lstrip("."), getattr(batch, field)) for field in fields]
    else:
        yield name, batch
        return
    for path, part in inner:
        yield from leaves(part, path)


def tensors(batch: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) of each tensor of a batch."""
    return ((name, leaf) for name, leaf in leaves(batch) if isinstance(leaf, Tensor))


def samples(batch: Any) -> int | None:
    """Return the number of samples of a batch: the length of its first tensor that has one; None without any."""
    return next((len(tensor) for _, tensor in tensors(batch) if tensor.ndim), None)


def checksum(batch: Any) -> list[Any]:
    """Return a few numbers and texts of a batch by which another batch is told from it; some microseconds."""
    return [_mark(leaf) for _, leaf in leaves(batch)]


def _mark(leaf: Any) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf if isinstance(leaf, (int, float, str, bool, type(None))) else type(leaf).__name__
    flat = leaf.detach().reshape(-1) if not leaf.is_sparse else leaf.coalesce().values().reshape(-1)
    places = flat[:: max(1, len(flat) // PLACES)][:PLACES]
    return [list(leaf.shape), [str(value) for value in places.tolist()]]
