"""Anybody's data at a glance: their loaders, what is in a batch, how often each class comes, and some images.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import lightning
import torch
from torch import Tensor

from src.fit.first_batch import batches, each_loader, first_batch, images_in, labels_in, loaders, splits_of
from src.fit.leaves import tensors
from src.plot.balance import balance
from src.plot.gallery import gallery
from src.plot.style import SPLIT
from src.view.screen import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDER = ("train", "val", "test", "predict")
COUNTED = 100  # batches of a split whose labels are counted
CLASSES = 100  # more numbers than these are no classes
PICTURED = 32  # images of the batch


def survey(data: lightning.LightningDataModule) -> "dict[str, Figure]":
    """Print the loaders, and the tensors of the first batch; draw how often each class comes, and images of a batch.

    What cannot be shown is a line that says so.
    """
    splits = [split for split in ORDER if split in splits_of(data)]
    table(["split", "loader", "batches", "samples"], [row for split in splits for row in sizes(data, split)])
    first = next(iter(splits))
    batch = first_batch(data, first)
    table(["tensor", "shape", "type", "least", "mean", "greatest"], contents(batch))
    figures: dict[str, Figure] = {}
    counts = {split: count_K for split in splits if split in SPLIT and (count_K := class_counts(data, split))}
    if counts:
        most = max(map(len, counts.values()))
        padded = {split: count_K + [0] * (most - len(count_K)) for split, count_K in counts.items()}
        figures["balance"] = balance(padded, [str(number) for number in range(most)])
        print(f"balance: the last whole numbers per sample in a batch, of the first {COUNTED} batches of a split")
    else:
        print(f"no balance is drawn: no batch holds a tensor [B] of whole numbers from 0 to {CLASSES - 1}")
    image_BCHW = images_in(batch)
    if image_BCHW is not None:
        shown_BCHW, label_B = image_BCHW[:PICTURED].numpy(), labels_in(batch)
        titles = [""] * len(shown_BCHW) if label_B is None else [str(label) for label in label_B.tolist()][:PICTURED]
        figures["batch"] = gallery(
            list(shown_BCHW), titles, heading=f"a batch of {first}, from least to greatest value"
        )
    else:
        print("no image is drawn: no tensor of the batch is [B, 1 or 3, H, W]")
    return figures


def sizes(data: lightning.LightningDataModule, split: str) -> Iterator[list[str]]:
    """Yield a row for each loader of a split: its name, its batches and its samples, a dash where nobody knows."""
    for name, loader in each_loader(loaders(data, split)):
        yield [split, name, _length(loader), _length(getattr(loader, "dataset", None))]


def contents(batch: Any) -> Iterator[list[str]]:
    """Yield a row for each tensor of a batch: its place, shape, type, least value, mean and greatest value."""
    for name, part in tensors(batch):
        numbers = part.double() if not part.is_complex() else part.abs().double()
        ends = [numbers.min(), numbers.mean(), numbers.max()] if part.numel() else []
        yield [
            name or "batch",
            str(list(part.shape)),
            str(part.dtype).removeprefix("torch."),
            *(f"{value.item():.4g}" for value in ends),
            *[""] * (3 - len(ends)),
        ]


def class_counts(data: lightning.LightningDataModule, split: str) -> list[int] | None:
    """Return how often each number (K,) is a label in the first batches of a split; None where there are no labels."""
    found: list[Tensor] = []
    for batch in islice(batches(data, split), COUNTED):
        label_B = labels_in(batch)
        if label_B is None or label_B.max() >= CLASSES:
            return None
        found.append(label_B.long())
    return torch.cat(found).bincount().tolist() if found else None


def _length(thing: Any) -> str:
    try:
        return f"{len(thing):,}"
    except (TypeError, NotImplementedError):  # a stream, or no dataset
        return "—"
