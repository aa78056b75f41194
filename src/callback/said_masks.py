"""What the best weights say of the pixels of test images: a row of scores per image, and the worst images whole.

Shapes: N samples, B batch, H height, W width, K classes.
"""

from heapq import nlargest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.data.read.readable import readable
from src.run.prediction_table import Table
from src.run.write import whole
from src.task.segmentation import IGNORED

SHOWN = 8  # images that are kept whole, of the mistakes


def pixel_counts(target_HW: Tensor, label_HW: Tensor, classes: int) -> Tensor:
    """Return how many counted pixels of each class (rows) were labelled as each (columns), (K, K)."""
    counted = target_HW != IGNORED
    both_P = target_HW[counted].long() * classes + label_HW[counted].long()
    return both_P.bincount(minlength=classes**2).view(classes, classes)


def iou(count_KK: Tensor) -> Tensor:
    """Return the intersection over the union of each class (K,); NaN where no pixel is of it."""
    both_K, true_K = count_KK.diagonal(), count_KK.sum(dim=1)
    found_K = both_K / (true_K + count_KK.sum(dim=0) - both_K)
    return torch.where(true_K > 0, found_K, torch.nan)


class SaidMasks:
    """`masks_test.csv`, to which batches come in the order of the samples, and `masks.npz` with the worst images.

    A row has the image's mean IoU over the classes that it shows, the share of pixels that are right, and the share of
    each class in the prediction and in truth.
    """

    def __init__(self, folder: Path, data: Any, split: str, *, model: Any, mistakes: int = 0):
        self.folder, self.data, self.split = folder, data, split
        self.classes: list[str] = data.classes
        self.index_N = data.indices[split].tolist()
        paths = data.paths(split)
        self.before_N: list[tuple[Any, ...]] = [(number,) for number in self.index_N]
        if paths is not None:
            self.before_N = [(number, readable(path)) for number, path in zip(self.index_N, paths, strict=True)]
        shares = [f"{kind}({name})" for kind in ("share", "true") for name in self.classes]
        names = ["index", *(["path"] if paths is not None else []), "iou", "accuracy", *shares]
        self.table = Table(folder / f"masks_{split}.csv", names)
        self.seen = 0
        self.shown = min(mistakes, SHOWN)
        self.worst: list[tuple[float, int, np.ndarray, np.ndarray]] = []  # 1 - IoU, row, target, label
        self.count_KK = torch.zeros(len(self.classes), len(self.classes), dtype=torch.long)

    def add(self, label_BHW: Tensor, target_BHW: Tensor) -> None:
        """Write a batch."""
        K = len(self.classes)
        for label_HW, target_HW in zip(label_BHW.cpu(), target_BHW.cpu(), strict=True):
            count_KK = pixel_counts(target_HW, label_HW, K)
            self.count_KK += count_KK
            pixels = max(1, int(count_KK.sum()))
            mean, right = iou(count_KK).nanmean().item(), count_KK.trace().item() / pixels
            shares = torch.cat(
                [label_HW.flatten().bincount(minlength=K) / label_HW.numel(), count_KK.sum(dim=1) / pixels]
            )
            self.table.add([(*self.before_N[self.seen], mean, right, *shares.tolist())])
            if mean == mean:  # no image of which no pixel counts
                kept = (1 - mean, self.seen, target_HW.byte().numpy(), label_HW.byte().numpy())
                self.worst = nlargest(self.shown, [*self.worst, kept], key=lambda found: found[:2])
            self.seen += 1

    def keep(self) -> None:
        """Write the worst images, their masks and what was said of them, and the counts of all pixels."""
        rows = [row for _, row, *_ in self.worst]
        parts: dict[str, Any] = {"counts": self.count_KK.numpy(), "classes": np.array(self.classes)}
        if rows:
            stored_NCHW = self.data.samples(self.split, rows)
            parts["images"] = self.data.normalize.invert(self.data.normalize(stored_NCHW)).permute(0, 2, 3, 1).numpy()
            parts |= {"targets": np.stack([found[2] for found in self.worst])}
            parts |= {"labels": np.stack([found[3] for found in self.worst])}
            parts |= {"scores": np.array([1 - found[0] for found in self.worst]), "rows": np.array(rows)}
        with whole(self.folder / "masks.npz", synced=False) as part, part.open("wb") as file:
            np.savez_compressed(file, **parts)
