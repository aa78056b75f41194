"""The samples of a dataset, read, verified, divided and kept; each split once.

Shapes: N samples.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from src.data.facts import Facts
from src.data.header import Header
from src.data.keep.fingerprint import fingerprint
from src.data.keep.keeping import Keeping
from src.data.read.choose import taken
from src.data.read.files import Files
from src.data.read.pairs import paired, without_masks
from src.data.read.rows import Images, Rows
from src.data.read.verify import verified
from src.data.split.sample_list import Parts, SampleList
from src.data.split.splitting import Splitting

Read = Callable[..., Any]  # (images, targets), and where some samples belong together also their groups (N,)


class Collection:
    """Samples by split; `crops` where training samples are random boxes of what is kept.

    `indices` say which samples of its official split each split is, `dtype` as what they are stored once some have been
    read; `listed` divides as a run folder says.
    """

    def __init__(
        self, read: Read, facts: Facts, *, header: Header, splitting: Splitting, keeping: Keeping, crops: bool
    ):
        self.read = read
        self.facts = facts
        self.header = header
        self.splitting = splitting
        self.keeping = keeping
        self.crops = crops
        self.listed: SampleList | None = None
        self.indices = dict.fromkeys(("train", "val", "test"), torch.empty(0, dtype=torch.long))
        self.dtype = torch.uint8
        self.masks = 0  # channels behind those of an image, that hold the class of each pixel
        self._sources: dict[str, tuple[Rows, Parts]] = {}  # by official split, as the dataset stores them
        self._sized: dict[tuple[str, bool, str], Rows] = {}
        self._stored: dict[str, Rows] = {}
        self._fingerprints: dict[str, str] = {}

    def source(self, split: str) -> tuple[Rows, Parts]:
        """Return what the official split that a split is or is cut from has, and which of it is whose; read once."""
        source = self.splitting.source(split)
        if source not in self._sources:
            facts = self.facts
            images, target_N, *groups = self.read(split=source)
            images, target_N, self.masks = paired(images, target_N, classes=len(facts.names or ()))
            labels, numbers = (None, None) if self.masks else (facts.names, facts.numbers)
            rows = verified(images, target_N, labels=labels, numbers=numbers)
            images, target_N, chosen_N = rows
            class_M = target_N[chosen_N] if facts.classes and self.header.inputs else None
            group_M = groups[0][chosen_N] if groups else None
            cut = partial(self.splitting.parts, source, len(chosen_N), class_N=class_M, group_N=group_M)
            known_N, parts = self.listed.divide(source, rows, cut) if self.listed else (slice(None), cut())
            self._sources[source] = (images, target_N, chosen_N[known_N]), parts
        return self._sources[source]

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of a sample as it is stored: an image with its mask, a row of a table as the file has it."""
        first, *rest = self.header.stored(self.facts.shape)
        return first + self.masks, *rest

    def prepare(self, split: str) -> Rows:
        """Return stored samples, their targets, and which rows of them are the split's."""
        if split not in self._stored:
            self._stored[split] = self._prepared(split)
        return self._stored[split]

    def __getitem__(self, split: str) -> Rows:
        """Return what `prepare` has made of a split."""
        return self._stored[split]

    def _prepared(self, split: str) -> Rows:
        (images, target_N, chosen_N), parts = self.source(split)
        cut_N = self.indices[split] = parts[split]
        if self.listed:
            self.listed.check(split, len(cut_N))
        if not len(cut_N):
            return images, target_N, cut_N
        crops = self.crops and split == "train"
        alone = self.crops and not crops and not isinstance(images, Tensor)  # others need not be decoded to this size
        key = self.splitting.source(split), crops, split if alone else ""
        if key not in self._sized:  # shared by the splits that need the same
            rows = images, target_N, chosen_N[cut_N] if alone else chosen_N
            self._sized[key] = self.keeping.kept(rows, self.stored_shape, crops=crops, masks=self.masks)
        images, target_N, row_N = self._sized[key]
        rows_N = row_N if alone else row_N[cut_N]
        self.indices[split], rows_N = cut_N[rows_N >= 0], rows_N[rows_N >= 0]
        if len(rows_N):
            sample = images[int(rows_N[0])]
            self.keeping.size(self.stored_shape, masks=self.masks).check(sample, crops=crops)
            self.dtype = sample.dtype
        return images, target_N, rows_N

    def paths(self, split: str) -> list[str] | None:
        """The files that a split's samples come from, in order; None where they do not come from a file each."""
        (images, _, chosen_N), _ = self.source(split)
        if not isinstance(images, Files):
            return None
        return [images.paths[row] for row in chosen_N[self.indices[split]].tolist()]

    def names(self, split: str) -> list[str]:
        """What to call each sample of a split: its file, else its number in its official split, such as test/17."""
        source = self.splitting.source(split)
        return self.paths(split) or [f"{source}/{number}" for number in self.indices[split].tolist()]

    def originals(self) -> tuple[Images, Tensor, list[str]]:
        """Return the samples and targets (N,) that the official training set has for train and val, and for which.

        Of the chosen classes, as the dataset stores them, not resized; those that are cut off for test are left out.
        """
        (images, target_N, chosen_N), parts = self.source("train")
        trained = {split: part_N for split, part_N in parts.items() if split != "test" and len(part_N)}
        rows_N = chosen_N[torch.cat(list(trained.values())).unique()]
        everything = len(rows_N) == len(target_N)
        images = without_masks(images) if self.masks else images
        return *((images, target_N) if everything else (taken(images, rows_N), target_N[rows_N])), list(trained)

    def fingerprints(self) -> dict[str, str]:
        """Return the sha256 of the samples and targets of each split read so far; of those that splits share, once."""
        seen: list[Any] = []
        for split, (images, target_N, rows_N) in self._stored.items():
            if len(rows_N) and split not in self._fingerprints and not any(images is other for other in seen):
                self._fingerprints[split] = fingerprint(images, target_N)
            seen.append(images)
        return dict(self._fingerprints)
