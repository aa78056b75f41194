"""What a model asks of the batches and the data that it is given, its own or those of others."""

from typing import Any, Protocol, TypeGuard, runtime_checkable

import lightning
from torch import Tensor


@runtime_checkable
class Numbered(Protocol):
    """A loader whose batches have a size known by number, of which each of `ranks` processes counts a part."""

    ranks: int
    batches: int

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""

    def size(self, number: int) -> int:
        """Return the number of samples in batch `number`, those of all processes together."""

    def count(self, number: int) -> int:
        """Return how many of them this process is to count."""


def is_numbered(loader: object) -> TypeGuard[Numbered]:
    """Whether `loader` says how its batches are shared; a loader of others does not."""
    return isinstance(loader, Numbered)


def pair(batch: Any) -> tuple[Tensor, Tensor]:
    """Return the input and the target of a batch; raises ValueError for one that is no two tensors."""
    if isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch):
        return batch[0], batch[1]
    found = f"{type(batch).__name__} of {', '.join(batch)}" if isinstance(batch, dict) else type(batch).__name__
    size = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
    raise ValueError(
        f"a batch is a {found}{size}, and src.model.supervised takes two tensors, input and target: let the data give "
        "these, or write a LightningModule of your own"
    )


def class_counts(trainer: lightning.Trainer) -> Tensor:
    """Return count_K, the training samples of each class; raises ValueError for data that do not count them."""
    count = getattr(trainer.datamodule, "class_counts", None)  # type: ignore[attr-defined]
    if count is None:
        raise ValueError("model.class_weights=balanced: the data have no class_counts(): give a number for each class")
    counted: Tensor = count()
    return counted
