"""Which samples of an official split are for training and which are cut off it.

Shapes: N samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Splitting:
    """How a dataset's `official` splits become the `splits` that are served.

    What is not official is cut from the training set by `split_seed`: `val_fraction` and `test_fraction` of it. With
    `folds` val is instead the one numbered `fold`, from 0, of as many disjoint parts of the same samples. With
    `shared_split` the training set is every split, as of a truth table.
    """

    splits: Sequence[str] = ("train", "val", "test")
    official: Sequence[str] = ("train", "test")
    shared_split: bool = False
    val_fraction: float = 0.1
    test_fraction: float = 0.2
    split_seed: int = 0
    folds: int | None = None
    fold: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a fraction or a fold that cannot be."""
        for name, fraction in self.fractions.items():
            if not 0 <= fraction < 1:
                raise ValueError(
                    f"data.{name}_fraction={fraction}: a share of the training set, from 0 up to but not 1"
                )
        cuts_val = "val" in self.splits and "val" not in self.official and not self.shared_split
        has_val = "val" in self.splits and "val" in self.official
        check_folds(self.fold, self.folds, cuts_val=cuts_val, has_val=has_val)

    @property
    def fractions(self) -> dict[str, float]:
        """The shares of the training set that may be cut off it, by split."""
        return {"val": self.val_fraction, "test": self.test_fraction}

    def settings(self) -> dict[str, Any]:
        """Return what a dataset is divided by, as a JSON file has it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def source(self, split: str) -> str:
        """Return the official split that a split is or is cut from."""
        return "train" if self.shared_split or split not in self.official else split

    def parts(
        self, source: str, samples: int, *, class_N: Tensor | None = None, group_N: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return which of the `samples` of an official split go to which of ours: indices (N,) by split.

        With their classes `class_N` each split has its share of every class, and one that is alone of its class is
        trained on; with `group_N` what is of one group stays together. Raises ValueError where a split that is to have
        some would have none.
        """
        if group_N is not None and source == "train" and not self.shared_split:
            return self._grouped(source, group_N, class_N)
        everything_N = torch.arange(samples)
        if self.shared_split:
            return dict.fromkeys(self.splits, everything_N)
        if source != "train":
            return {source: everything_N}
        shares = self.fractions
        fractions = {name: shares[name] for name in self.splits if name not in ("train", *self.official)}
        parts = cut(samples, fractions, seed=self.split_seed, strata_N=class_N)
        if self.folds is not None and self.fold is not None:
            del fractions["val"]  # a fold takes its place; a test split that is cut off stays the same one
            rest_N = torch.cat([parts["train"], parts["val"]]).sort().values
            rest = None if class_N is None else class_N[rest_N]
            parts |= fold(rest_N, self.fold, self.folds, seed=self.split_seed, strata_N=rest)
        for name, fraction in fractions.items():
            if fraction and not len(parts[name]):
                raise ValueError(f"data.{name}_fraction={fraction} of {samples} samples is none: raise it, or set 0")
        return parts

    def _grouped(self, source: str, group_N: Tensor, class_N: Tensor | None) -> dict[str, Tensor]:
        """Return the parts of groups that are divided as samples are, each by its commonest class."""
        numbers, group_N = group_N.unique(return_inverse=True)
        class_G = None
        if class_N is not None:
            count_GK = torch.zeros(len(numbers), int(class_N.max()) + 1, dtype=torch.long)
            class_G = count_GK.index_put_((group_N, class_N), torch.ones_like(class_N), accumulate=True).argmax(dim=1)
        parts = self.parts(source, len(numbers), class_N=class_G)
        return {split: torch.isin(group_N, part_G).nonzero().squeeze(1) for split, part_G in parts.items()}


def cut(
    samples: int, fractions: Mapping[str, float], *, seed: int, strata_N: Tensor | None = None
) -> dict[str, Tensor]:
    """Return indices (N,) by split of a random cut, each sorted, the same on every machine: "train" is what is left.

    `fractions` are the shares in [0, 1) that go to the other splits; 0 leaves one empty. Each has its share of every
    stratum where there are some, to a sample.
    """
    order_N = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
    if strata_N is not None:
        return _stratified(order_N, fractions, strata_N)
    parts, start = {}, 0
    for split, fraction in fractions.items():
        end = start + round(samples * fraction)
        parts[split] = order_N[start:end].sort().values
        start = end
    return {"train": order_N[start:].sort().values} | parts


def _stratified(order_N: Tensor, fractions: Mapping[str, float], strata_N: Tensor) -> dict[str, Tensor]:
    """Return a cut in which each split takes every so many samples of `order_N` in the order of their strata."""
    samples = len(order_N)
    order_N = order_N[strata_N[order_N].argsort(stable=True)]
    count_N = strata_N[order_N].unique(return_inverse=True, return_counts=True)
    is_alone_N = count_N[2][count_N[1]] == 1
    alone_N, order_N = order_N[is_alone_N], order_N[~is_alone_N]
    parts = {}
    for split, fraction in fractions.items():
        share = min(1.0, round(samples * fraction) / max(1, len(order_N)))
        step_N = ((torch.arange(len(order_N) + 1, dtype=torch.float64) + 0.5) * share).floor()
        is_taken_N = step_N.diff() > 0
        parts[split], order_N = order_N[is_taken_N].sort().values, order_N[~is_taken_N]
    return {"train": torch.cat([order_N, alone_N]).sort().values} | parts


def fold(samples_N: Tensor, number: int, folds: int, *, seed: int, strata_N: Tensor | None = None) -> dict[str, Tensor]:
    """Return `samples_N` as "train" and "val", both sorted: val is fold `number`, train are the other folds.

    The folds are random, disjoint, together everything, and differ by one sample at most, also in each stratum. Raises
    ValueError where there are fewer samples than folds.
    """
    if folds > len(samples_N):
        raise ValueError(f"data.folds={folds} of {len(samples_N)} samples: a fold would be empty: lower it")
    order_N = torch.randperm(len(samples_N), generator=torch.Generator().manual_seed(seed))
    if strata_N is not None:
        order_N = order_N[strata_N[order_N].argsort(stable=True)]
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
