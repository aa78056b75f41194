"""The LightningDataModule of every dataset: reads it, verifies it, splits it, serves batches.

Shapes: N samples, C channels, H height, W width, D features.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from src.data.batches import Batches, Fetch, Images, Order, Rows, from_memory, from_workers
from src.data.keep.fingerprint import fingerprint
from src.data.keep.size import Size
from src.data.keep.stored import sized
from src.data.ranges import check_choices, check_classes, check_counts, check_crop, check_mean, check_padding
from src.data.read.choose import class_numbers, taken
from src.data.read.files import Files
from src.data.read.verify import verified
from src.data.shard import Shard, too_small
from src.data.split.division import Division
from src.data.split.sample_list import Parts, SampleList
from src.data.transform.mix import Mix
from src.data.transform.prepare import Augment, Normalize, fit, with_channels

log = logging.getLogger(__name__)

STAGES = {"fit": ("train", "val"), "validate": ("train", "val"), "test": ("test",), "predict": ()}
Read = Callable[..., tuple[Images, Tensor]]


class Data(lightning.LightningDataModule):
    """Train, val and test batches of one dataset, in memory where it fits.

    `read(split=...)` gives an `official` split of the dataset: stored samples (N, C, H, W) or (N, D), or images that
    decode on demand, and targets (N,) as class numbers, or numbers for regression. `splits` are those that are served;
    what is not official is cut from the training set by `split_seed`: `val_fraction` and `test_fraction` of it. `fit`
    serves no test sample. With `folds` val is instead the one numbered `fold`, from 0, of as many disjoint parts of the
    same samples. With `shared_split` the training set is every split, as of a truth table.

    Samples are divided by `scale`: where that is null by 255 if they are stored as uint8, by 1 if as floats or bool.

    `shape`, `classes` and `task` are facts that the config states; `setup` verifies them and raises ValueError where
    the data disagree. `labels` name what the dataset's numbers mean where `classes` is a choice of them: samples of
    other classes are left out, and the chosen ones renumbered in their order.

    With `image_size`, images are scaled to cover `shape` and cropped to it. Training images are augmented per sample: a
    crop after `crop_padding`, or a `random_resized_crop` of (least, largest) share of the area, from images stretched
    to `crop_from` pixels a side; a `horizontal_flip`, by chance or, where it is "alternating", in every other epoch;
    `mixup` and `cutmix` blend pairs. What `crop_padding` adds is zeros, or with the `padding_mode` reflect the image
    mirrored at its edge. An epoch goes `passes` times through the training set, which spares tiny datasets the cost of
    thousands of epochs. `workers` counts the processes that stream where `in_memory` is false, or "auto" and the
    samples are no tensor that fits. With `cache`, files are decoded once on a machine, for all of its processes
    (src.data.keep.cache). `on_bad_file` says whether a file that is no image is an error, stop, or left out, skip.
    Where samples are the nodes of a `graph`, the net gets it whole. `axes` say on pictures what the one input and the
    target of a regression are, with their units.

    `batch_size` is the number of samples in an optimizer's batch, however many processes there are: each gets its part
    of every batch, in training and in evaluation, and the parts together are the batch of one process.
    """

    def __init__(
        self,
        read: Read,
        *,
        shape: Sequence[int],
        classes: Sequence[str] | None,
        task: str,
        labels: Sequence[str] | None = None,
        splits: Sequence[str] = ("train", "val", "test"),
        official: Sequence[str] = ("train", "test"),
        shared_split: bool = False,
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        folds: int | None = None,
        fold: int | None = None,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        scale: float | None = None,
        normalize: bool = True,
        image_size: int | None = None,
        crop_from: int | None = None,
        random_resized_crop: Sequence[float] | None = None,
        crop_padding: int = 0,
        padding_mode: str = "constant",
        horizontal_flip: bool | str = False,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        batch_size: int = 100,
        drop_last: bool = False,
        shuffle: bool = True,
        passes: int = 1,
        seed: int = 0,
        in_memory: bool | str = "auto",
        workers: int = 2,
        cache: bool = True,
        on_bad_file: str = "stop",
        graph: object = None,
        axes: Sequence[str] = ("input", "target"),
    ):
        super().__init__()
        self._division = Division(
            splits=tuple(splits),
            official=tuple(official),
            shared_split=shared_split,
            fractions={"val": val_fraction, "test": test_fraction},
            split_seed=split_seed,
            folds=folds,
            fold=fold,
        )
        if normalize:
            check_mean(mean, shape)
        check_choices(in_memory=in_memory, on_bad_file=on_bad_file, task=task, cache=cache)
        check_choices(horizontal_flip=horizontal_flip, padding_mode=padding_mode)
        check_counts(
            passes=(passes, 1), batch_size=(batch_size, 1), workers=(workers, 0), crop_padding=(crop_padding, 0)
        )
        check_crop(random_resized_crop, crop_padding, mixing=(mixup, cutmix), shape=shape)
        check_padding(crop_padding, padding_mode, shape=shape)
        check_classes(classes, task)
        self.read = read
        self.shape = tuple(shape)
        self.classes = None if classes is None else list(classes)
        self.task = task
        self.labels = self.classes if labels is None else list(labels)
        numbers = class_numbers(self.classes or [], self.labels or [])
        self._numbers = None if self.classes == self.labels else numbers
        self.splits = tuple(splits)
        self.normalize = Normalize(mean, std, scale=scale) if normalize else Normalize(scale=scale)
        self._size = Size(self.shape, image_size, crop_from)
        box = None if random_resized_crop is None else (random_resized_crop[0], random_resized_crop[1])
        self.augment = Augment(crop_padding, horizontal_flip, box, self.shape[1:], padding_mode)
        self.mix = Mix(mixup, cutmix, len(self.classes or ()) if task == "multiclass" else 0)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.passes = passes
        self.seed = seed
        self.in_memory = in_memory
        self.workers = workers
        self.cache = cache
        self.on_bad_file = on_bad_file
        self.graph = graph
        self.axes = tuple(axes)
        self.indices = dict.fromkeys(("train", "val", "test"), torch.empty(0, dtype=torch.long))
        self._list: SampleList | None = None
        self._sources: dict[str, Rows] = {}  # by official split, as the dataset stores them
        self._parts: dict[str, Parts] = {}
        self._sized: dict[tuple[str, bool, str], Rows] = {}
        self._stored: dict[str, Rows] = {}
        self._fingerprints: dict[str, str] = {}

    def recorded_split(self, run: Path, *, trains: bool = False, like: Path | None = None) -> None:
        """Divide the samples as the run folder `run` lists them, else as `like` does; one that `trains` lists them.

        Samples that the list does not have are left out. Raises ValueError where other splits are asked for.
        """
        self._list = SampleList(run, self._division.settings(), trains=trains, like=like)

    def prepare_data(self) -> None:
        """Read on one process of each machine before the others do, which then find what it downloaded."""
        if self.trainer and self.trainer.world_size > 1:
            assert self.trainer.state.fn
            self._check_ranks()
            for split in STAGES[self.trainer.state.fn.value]:
                if split in self.splits:
                    self._read(self._division.source(split))

    def setup(self, stage: str) -> None:
        """Read and verify what the stage needs: train and val for `fit` and `validate`, test for `test`; each once.

        `indices` then says which samples of its official split each split is.
        """
        self._check_ranks()
        for split in STAGES[stage]:
            if split not in self.splits:
                if split == stage:
                    raise ValueError(
                        f"data.splits={list(self.splits)}: there is no {split} split: set {split}=false or split=val"
                    )
                continue
            if split not in self._stored:
                self._stored[split] = self._prepared(split)
        if stage == "fit":
            self._check_batches()
            self._say_fold()
        if self._list and (self.trainer is None or self.trainer.is_global_zero):
            self._list.write()

    def _prepared(self, split: str) -> Rows:
        """Return stored samples, their targets, and which rows of them are the split's."""
        source = self._division.source(split)
        images, target_N, chosen_N = self._read(source)
        cut_N = self._parts[source][split]
        if self._list:
            self._list.check(split, len(cut_N))
        self.indices[split] = cut_N
        if not len(cut_N):
            return images, target_N, cut_N
        has_crops = self.augment.random_resized_crop is not None
        crops = has_crops and split == "train"
        alone = has_crops and not crops and not isinstance(images, Tensor)  # others need not be decoded to this size
        key = source, crops, split if alone else ""
        if key not in self._sized:  # shared by the splits that need the same
            self._sized[key] = self._kept((images, target_N, chosen_N[cut_N] if alone else chosen_N), crops=crops)
        images, target_N, row_N = self._sized[key]
        rows_N = row_N if alone else row_N[cut_N]
        self.indices[split], rows_N = cut_N[rows_N >= 0], rows_N[rows_N >= 0]
        self._size.check(images, rows_N, crops=crops)
        if len(rows_N):
            self.normalize.stored = images[int(rows_N[0])].dtype
            self.normalize.scale_of(self.normalize.stored)  # one that does not say is refused before a batch is made
        return images, target_N, rows_N

    def _read(self, source: str) -> Rows:
        """Return the samples and targets of an official split and the chosen rows of them, read and divided once."""
        if source not in self._sources:
            images, target_N, chosen_N = rows = self._verified(source)
            cut = partial(self._division.parts, source, len(chosen_N))
            known_N, self._parts[source] = self._list.divide(source, rows, cut) if self._list else (slice(None), cut())
            self._sources[source] = images, target_N, chosen_N[known_N]
        return self._sources[source]

    def _verified(self, source: str) -> Rows:
        """Read an official split, and which of its samples are of the chosen classes."""
        return verified(*self.read(split=source), labels=self.labels, numbers=self._numbers)

    def _kept(self, rows: Rows, *, crops: bool) -> Rows:
        """Return samples and targets, as large as they are kept; the row of each chosen one, -1 for a bad file."""
        size, how = self._size.kept(crops=crops)
        keeps: dict[str, Any] = {"in_memory": self.in_memory, "on_bad_file": self.on_bad_file, "cache": self.cache}
        return sized(rows, size, how=how, **keeps)

    def train_dataloader(self, *, whole: bool = False) -> Batches:
        """Shuffled, augmented batches; `whole` where this process is to have all of each."""
        return self._batches("train", trains=True, whole=whole)

    def val_dataloader(self) -> Batches | list[Batches]:
        """Every sample of the validation split once, in order; no loader where the split is empty."""
        return self.in_order("val") if len(self.indices["val"]) else []

    def test_dataloader(self) -> Batches:
        """Every sample of the test split once, in order."""
        return self.in_order("test")

    def in_order(self, split: str, *, whole: bool = False) -> Batches:
        """Every sample of a split that is set up once, in order, as it is: the training split's unaugmented, too.

        `whole` where this process is to have all of each batch, and not its part of it.
        """
        return self._batches(split, trains=False, whole=whole)

    def _batches(self, split: str, *, trains: bool, whole: bool) -> Batches:
        images, target_N, rows_N = self._stored[split]
        return Batches(
            self._fetch(images, target_N),
            Order(rows_N, seed=self.seed, shuffle=trains and self.shuffle, passes=self.passes if trains else 1),
            batch_size=self.batch_size,
            drop_last=trains and self.drop_last,
            normalize=self.normalize if trains else self._as_served,
            augment=self.augment if trains else None,
            mix=self.mix if trains else None,
            shard=None if whole else self._shard(),
        )

    def _fetch(self, images: Images, target_N: Tensor) -> Fetch:
        if not self.in_memory or not isinstance(images, Tensor):
            return from_workers(images, target_N, workers=self.workers)
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return from_memory(images.to(device), target_N.to(device))

    def _as_served(self, x_B: Tensor) -> Tensor:
        """Return stored samples as the net sees them unaugmented, also those kept larger to cut crops from."""
        return self.normalize(self._size.fitted(x_B))

    def _shard(self) -> Shard | None:
        """Return the part of every batch that this process has; None where it is alone."""
        ranks = self.trainer.world_size if self.trainer else 1
        return Shard(self.trainer.global_rank, ranks) if self.trainer and ranks > 1 else None

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the batch as it is where it is there already, as in-memory batches are."""
        x_B, y_B = batch
        return batch if x_B.device == device else (x_B.to(device, non_blocking=True), y_B.to(device, non_blocking=True))

    def samples(self, split: str, positions: Sequence[int]) -> Tensor:
        """Return stored samples of a split, before normalisation: (N, C, H, W), mostly uint8, or (N, D)."""
        images, _, rows_N = self._stored[split]
        return torch.stack([images[int(rows_N[position])] for position in positions])

    def targets(self, split: str) -> Tensor:
        """Return the targets of a split that is set up, (N,): class numbers, or numbers for regression."""
        _, target_N, rows_N = self._stored[split]
        return target_N[rows_N]

    def class_counts(self) -> Tensor:
        """How many samples of each class the training split has, (K,)."""
        return torch.bincount(self.targets("train"), minlength=len(self.classes or ()))

    def paths(self, split: str) -> list[str] | None:
        """The files that a split's samples come from, in order; None where they do not come from a file each."""
        images, _, chosen_N = self._sources[self._division.source(split)]
        if not isinstance(images, Files):
            return None
        return [images.paths[row] for row in chosen_N[self.indices[split]].tolist()]

    def names(self, split: str) -> list[str]:
        """What to call each sample of a split that is set up: its file, else its number in the split it was cut from.

        Such as test/17.
        """
        numbers = self.indices[split].tolist()
        return self.paths(split) or [f"{self._division.source(split)}/{number}" for number in numbers]

    def originals(self) -> tuple[Images, Tensor, list[str]]:
        """Read the samples and targets (N,) that the official training set has for train and val, and say for which.

        Of the chosen classes, as the dataset stores them, not resized; those that are cut off for test are left out.
        """
        images, target_N, chosen_N = self._read("train")
        parts = {split: rows_N for split, rows_N in self._parts["train"].items() if split != "test" and len(rows_N)}
        rows_N = chosen_N[torch.cat(list(parts.values())).unique()]
        everything = len(rows_N) == len(target_N)
        return *((images, target_N) if everything else (taken(images, rows_N), target_N[rows_N])), list(parts)

    def fingerprints(self) -> dict[str, str]:
        """Return the sha256 of the samples and targets of each split read so far; of those that splits share, once."""
        seen: list[Images] = []
        for split, (images, target_N, rows_N) in self._stored.items():
            if len(rows_N) and split not in self._fingerprints and not any(images is other for other in seen):
                self._fingerprints[split] = fingerprint(images, target_N)
            seen.append(images)
        return dict(self._fingerprints)

    def preprocess(self, image: Any) -> Tensor:
        """Return (B, C, H, W) as the net wants it, for PIL, uint8 (C, H, W) or uint8 (B, C, H, W)."""
        channels, *size = self.shape
        return self.normalize(fit(with_channels(image, channels), size))

    def _check_ranks(self) -> None:
        shard = self._shard()
        if shard and self.batch_size < shard.ranks:
            raise ValueError(too_small(self.batch_size, shard.ranks))

    def _check_batches(self) -> None:
        samples, val_fraction = len(self.indices["train"]), self._division.fractions["val"]
        if not samples or (self.drop_last and samples < self.batch_size):
            raise ValueError(
                f"no training batch: {samples} samples, data.batch_size={self.batch_size}, "
                f"data.drop_last={self.drop_last}, data.val_fraction={val_fraction}: lower one of them"
            )

    def _say_fold(self) -> None:
        fold, folds = self._division.fold, self._division.folds
        if folds is not None:
            samples = f"{len(self.indices['val']):,} of {len(self.indices['train']) + len(self.indices['val']):,}"
            log.info("val is fold %d of 0 to %d, %s samples; no data.val_fraction", fold, folds - 1, samples)
