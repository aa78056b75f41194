"""Whether a dataset is what its config states.

Shapes: N samples, K labels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from src.data.read.choose import choose
from src.data.read.rows import Images, Rows


def verified(images: Images, target_N: Tensor, *, labels: Sequence[str] | None, numbers: Sequence[int] | None) -> Rows:
    """Return samples and targets, and which are of the chosen classes; raise ValueError where the config states others.

    `labels` name all classes, None for regression; `numbers` are those of the chosen ones, None for all. Of targets
    (N, K), a 0 or 1 for each label, these columns stay, and every sample.
    """
    if not len(images) or len(images) != len(target_N):
        raise ValueError(f"{len(images)} samples and {len(target_N)} targets: a dataset has as many of each, and some")
    if labels is not None and target_N.ndim == 2:
        _check_sets(target_N, labels)
        return images, target_N if numbers is None else target_N[:, numbers], torch.arange(len(target_N))
    if labels is not None:
        low, high = int(target_N.min()), int(target_N.max())
        if low < 0 or high >= len(labels):
            raise ValueError(
                f"label {low if low < 0 else high} in the data, but data.classes names {len(labels)} classes, "
                f"0 to {len(labels) - 1}: name every class in data.classes"
            )
    if numbers is None:
        return images, target_N, torch.arange(len(target_N))
    return images, *choose(target_N, numbers)


def _check_sets(target_NK: Tensor, labels: Sequence[str]) -> None:
    if target_NK.shape[1] != len(labels):
        raise ValueError(
            f"targets of {target_NK.shape[1]} labels in the data, but data.classes names {len(labels)}: name all"
        )
    wrong_N = ((target_NK != 0) & (target_NK != 1)).any(dim=1)
    if wrong_N.any():
        row = int(wrong_N.nonzero()[0])
        raise ValueError(f"sample {row} has targets {target_NK[row].tolist()}: each label is 0 or 1")
