"""Which samples of an official split are for training and which are cut off it.

Shapes: N samples.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def cut(samples: int, fractions: Mapping[str, float], *, seed: int) -> dict[str, Tensor]:
    """Return indices (N,) by split of a random cut, each sorted, the same on every machine: "train" is what is left.

    `fractions` are the shares in [0, 1) that go to the other splits; 0 leaves one empty.
    """
    order_N = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
    parts, start = {}, 0
    for split, fraction in fractions.items():
        end = start + round(samples * fraction)
        parts[split] = order_N[start:end].sort().values
        start = end
    return {"train": order_N[start:].sort().values} | parts


def fold(samples_N: Tensor, number: int, folds: int, *, seed: int) -> dict[str, Tensor]:
    """Return `samples_N` as "train" and "val", both sorted: val is fold `number`, train are the other folds.

    The folds are random, disjoint, together everything, and differ by one sample at most. Raises ValueError where
    there are fewer samples than folds.
    """
    if folds > len(samples_N):
        raise ValueError(f"data.folds={folds} of {len(samples_N)} samples: a fold would be empty: lower it")
    order_N = torch.randperm(len(samples_N), generator=torch.Generator().manual_seed(seed))
    is_val_N = torch.zeros(len(samples_N), dtype=torch.bool)
    is_val_N[order_N[number::folds]] = True
    return {"train": samples_N[~is_val_N], "val": samples_N[is_val_N]}


def check_folds(number: int | None, folds: int | None, *, cuts_val: bool, has_val: bool) -> None:
    """Raise ValueError where data.fold and data.folds choose no fold, or val is not cut from the training set."""
    if folds is None and number is not None:
        raise ValueError(f"data.fold={number}: of how many? set data.folds=5 as well")
    if folds is None:
        return
    if not cuts_val:
        why = "has an official val split: leave it out of data.official" if has_val else "has no val split that is cut"
        raise ValueError(f"data.folds={folds}: this dataset {why}, or set data.folds=null data.fold=null")
    if folds < 2:
        raise ValueError(f"data.folds={folds}: set at least 2, or null for none")
    if number is None or not 0 <= number < folds:
        given = "" if number is None else f"data.fold={number}, "
        raise ValueError(
            f"{given}data.folds={folds}: set data.fold to a number from 0 to {folds - 1}, or sweep them all"
        )
