"""What the best weights say of samples that may have several labels, as predictions/*.csv keep it.

Shapes: N samples, B batch, K labels.
"""

from collections.abc import Sequence
from heapq import nlargest
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.data.read.readable import readable
from src.run.label_sets import joined
from src.run.prediction_table import Table
from src.run.write import whole


class SaidSets:
    """One split's file, to which batches come in the order of its samples: both sets, and each label's probability.

    `surest` are the (error, row) of the `mistakes` with the largest error: how far the probability of a label that is
    wrong is from what is true.
    """

    def __init__(self, folder: Path, data: Any, split: str, *, model: Any, mistakes: int = 0):
        self.folder, self.data = folder, data
        self.threshold = model.task.threshold
        self.index_N = data.indices[split].tolist()
        paths = data.paths(split)
        self.before_N: list[tuple[Any, ...]] = [(number,) for number in self.index_N]
        if paths is not None:
            self.before_N = [(number, readable(path)) for number, path in zip(self.index_N, paths, strict=True)]
        names = ["index", *(["path"] if paths is not None else []), "targets", "labels"]
        self.table = Table(folder / f"{split}.csv", [*names, *(f"P({name})" for name in data.classes)])
        self.seen = 0
        self.mistakes = mistakes
        self.surest: list[tuple[float, int]] = []

    def add(self, probability_BK: Tensor, target_BK: Tensor) -> None:
        """Write a batch."""
        rows = range(self.seen, self.seen + len(target_BK))
        self.seen = rows.stop
        probability_BK, target_BK = probability_BK.double().cpu(), target_BK.cpu() > 0.5
        label_BK = probability_BK > self.threshold  # as torchmetrics decides
        error_B = ((probability_BK - target_BK.double()).abs() * (label_BK != target_BK)).amax(dim=1)
        found = ((error, row) for error, row in zip(error_B.tolist(), rows, strict=True) if error)
        self.surest = nlargest(self.mistakes, [*self.surest, *found])
        names = self.data.classes
        sets = (
            [joined(compress(names, each), names) for each in part_BK.tolist()] for part_BK in (target_BK, label_BK)
        )
        given = zip(rows, *sets, probability_BK.tolist(), strict=True)
        self.table.add((*self.before_N[row], target, label, *values) for row, target, label, values in given)

    def keep(self) -> None:
        """Keep the images of the worst mistakes."""
        keep_images(self.folder / "mistakes.npz", self.data, [row for _, row in self.surest])


def keep_images(path: Path, data: Any, rows: Sequence[int]) -> None:
    """Write the stored images of some test samples, uint8 (N, H, W, C); nothing where they are none."""
    if not rows or len(data.shape) != 3:
        return
    images_NCHW = data.samples("test", rows)
    if images_NCHW.dtype == torch.uint8:
        with whole(path, synced=False) as part, part.open("wb") as file:
            np.savez_compressed(file, images=images_NCHW.permute(0, 2, 3, 1).numpy(), rows=np.array(rows))
