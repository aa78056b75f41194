"""The LightningDataModule of every dataset: reads it, verifies it, splits it, serves batches.

Shapes: N samples, C channels, H height, W width, D features, K classes.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from src.data.collection import Collection, Read
from src.data.facts import Facts
from src.data.header import Header
from src.data.keep.keeping import Keeping
from src.data.load.batches import Batches, Fetch, Order, from_memory, from_workers
from src.data.load.loading import Loading
from src.data.load.shard import Shard, too_small
from src.data.read.pairs import numbering
from src.data.read.rows import Images
from src.data.split.sample_list import SampleList
from src.data.split.splitting import Splitting
from src.data.tokenizing import Tokenizing
from src.data.transform.prepare import fit, with_channels
from src.data.transform.transforming import Transforming

log = logging.getLogger(__name__)

TABLES = (".csv", ".tsv")
STAGES = {"fit": ("train", "val"), "validate": ("train", "val"), "test": ("test",)}


class Data(lightning.LightningDataModule):
    """Train, val and test batches of one dataset, in memory where it fits.

    `read(split=...)` gives an official split of the dataset: stored samples (N, C, H, W) or (N, D), or images that
    decode on demand, and targets (N,) as class numbers or numbers, or (N, K) as 0 or 1 for each label. Each of the
    others owns some settings and says what they mean. `fit` serves no test sample. `setup` raises ValueError where the
    samples contradict the facts.
    """

    def __init__(
        self,
        read: Read,
        facts: Facts,
        *,
        header: Header,
        tokenizing: Tokenizing,
        splitting: Splitting,
        keeping: Keeping,
        transforming: Transforming,
        loading: Loading,
    ):
        super().__init__()
        transforming.check(facts, header)
        tokenizing.check(transforming.mixup)
        self.shape = tuple(facts.shape)
        self.classes = None if facts.classes is None else list(facts.classes)
        self.task, self.axes, self.graph = facts.task, tuple(facts.axes), facts.graph
        self.header, self.target_names = header, header.targets
        self.splits = tuple(splitting.splits)
        self.tokenizing, self.splitting, self.keeping, self.loading = tokenizing, splitting, keeping, loading
        self.vocabulary = tokenizing.learning()
        self.normalize: Any = transforming.normalizing(facts, header) if self.vocabulary is None else self.vocabulary
        self.augment = transforming.augmenting(facts)
        self.mix = transforming.mixing(facts)
        crops = transforming.random_resized_crop is not None
        self.collection = Collection(read, facts, header=header, splitting=splitting, keeping=keeping, crops=crops)
        self.indices = self.collection.indices

    def recorded_split(self, run: Path, *, trains: bool = False, like: Path | None = None) -> None:
        """Divide the samples as the run folder `run` lists them, else as `like` does; one that `trains` lists them.

        Samples that the list does not have are left out. Raises ValueError where other splits are asked for.
        """
        self.collection.listed = SampleList(run, self.splitting.settings(), trains=trains, like=like)

    def stream(self) -> None:
        """Keep no image in memory, and start no process for them: a look at a few needs neither."""
        self.keeping = self.collection.keeping = replace(self.keeping, in_memory=False)
        self.loading = replace(self.loading, workers=0)

    def prepare_data(self) -> None:
        """Read on one process of each machine before the others do, which then find what it downloaded."""
        if self.trainer and self.trainer.world_size > 1:
            assert self.trainer.state.fn
            self._check_ranks()
            for split in STAGES[self.trainer.state.fn.value]:
                if split in self.splits:
                    self.collection.source(split)

    def setup(self, stage: str) -> None:
        """Read and verify what the stage needs: train and val for `fit` and `validate`, test for `test`; each once.

        `indices` then says which samples of its official split each split is.
        """
        self._check_ranks()
        for split in STAGES[stage]:
            if split in self.splits:
                self.collection.prepare(split)
            elif split == stage:
                raise ValueError(
                    f"data.splits={list(self.splits)}: there is no {split} split: set {split}=false or split=val"
                )
        if self.vocabulary is None:
            self.normalize.store(self.collection.dtype)
        elif not self.vocabulary:
            token_NL, _, row_N = self.collection.prepare("train")
            self.vocabulary.learn(torch.as_tensor(token_NL)[row_N])
        if stage == "fit":
            self._check_batches()
            self._say_fold()
        if self.collection.listed and (self.trainer is None or self.trainer.is_global_zero):
            self.collection.listed.write()

    def state_dict(self) -> dict[str, Any]:
        """Return what was learnt from training samples, for a checkpoint: the tokens of a vocabulary."""
        return {"vocabulary": self.vocabulary.token_V} if self.vocabulary else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a checkpoint has of it."""
        if self.vocabulary is not None:
            self.vocabulary.know(state_dict["vocabulary"])

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
        images, target_N, rows_N = self.collection[split]
        loading = self.loading if trains else replace(self.loading, shuffle=False, drop_last=False, passes=1)
        size = self.keeping.size(self.collection.stored_shape, masks=self.collection.masks)
        masks = numbering(self.collection.facts.numbers) if self.collection.masks else None
        if masks is not None and self.mix:
            raise ValueError("data.mixup and data.cutmix are not for masks: set both to 0")
        return Batches(
            self._fetch(images, target_N),
            Order(
                rows_N,
                seed=loading.seed,
                shuffle=loading.shuffle,
                passes=loading.passes,
                class_N=self._classes(target_N[rows_N]) if trains and loading.sampler else None,
            ),
            batch_size=loading.batch_size,
            drop_last=loading.drop_last,
            normalize=self.normalize,
            fitted=None if trains else size.fitted,
            augment=self.augment if trains else None,
            mix=self.mix if trains else None,
            shard=None if whole else self._shard(),
            masks=masks,
        )

    def _classes(self, target_N: Tensor) -> Tensor:
        """Return the class of each sample; raises ValueError where samples are not of one class each."""
        if target_N.ndim > 1 or not self.classes or self.collection.masks:
            raise ValueError(
                f"data.sampler={self.loading.sampler}, but with data.task={self.task} a sample is not of one class: "
                "leave it out, or weigh the loss, model.class_weights=balanced"
            )
        return target_N

    def _fetch(self, images: Images, target_N: Tensor) -> Fetch:
        if not self.keeping.in_memory or not isinstance(images, Tensor):
            return from_workers(images, target_N, workers=self.loading.workers)
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return from_memory(images.to(device), target_N.to(device))

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
        images, _, rows_N = self.collection[split]
        stored_NCHW = torch.stack([images[int(rows_N[position])] for position in positions])
        return stored_NCHW[:, : -self.collection.masks] if self.collection.masks else stored_NCHW

    def targets(self, split: str) -> Tensor:
        """Return the targets of a split that is set up: class numbers or numbers (N,), a 0 or 1 per label (N, K)."""
        _, target_N, rows_N = self.collection[split]
        return target_N[rows_N]

    def class_counts(self) -> Tensor:
        """How many samples of each class or with each label the training split has, of masks how many pixels, (K,)."""
        return self.counts("train")

    def counts(self, split: str) -> Tensor:
        """How many samples of each class or with each label a split that is set up has, of masks how many pixels."""
        if self.collection.masks:
            classes = len(self.classes or ())
            masks = (target_BHW.flatten() for _, target_BHW in self.in_order(split, whole=True))
            return torch.stack([pixel_P[pixel_P < classes].bincount(minlength=classes) for pixel_P in masks]).sum(dim=0)
        target_N = self.targets(split)
        return target_N.sum(dim=0) if target_N.ndim == 2 else target_N.bincount(minlength=len(self.classes or ()))

    def names(self, split: str) -> list[str]:
        """What to call each sample of a split that is set up: its file, else its number, such as test/17."""
        return self.collection.names(split)

    def paths(self, split: str) -> list[str] | None:
        """The files that a split's samples come from, in order; None where they do not come from a file each."""
        return self.collection.paths(split)

    def originals(self) -> tuple[Images, Tensor, list[str]]:
        """Read the training samples as the dataset stores them, their targets (N,), and the splits that have them."""
        return self.collection.originals()

    def fingerprints(self) -> dict[str, str]:
        """Return the sha256 of the samples and targets of each split read so far; of those that splits share, once."""
        return self.collection.fingerprints()

    def preprocess(self, image: Any) -> Tensor:
        """Return (B, C, H, W) as the net wants it, for PIL, uint8 (C, H, W) or (B, C, H, W); (1, L) for a text."""
        if self.vocabulary is not None:
            return self.vocabulary(self.tokenizing.hashed([image]))
        channels, *size = self.shape
        return self.normalize(fit(with_channels(image, channels), size))

    def takes_table(self, source: str) -> bool:
        """Whether `source` is a table that samples stand in: for data that are one, or texts of a CSV file."""
        is_file = self.vocabulary is not None and Path(source).suffix.lower() in TABLES
        return self.header.inputs is not None or is_file

    def _check_ranks(self) -> None:
        shard = self._shard()
        if shard and self.loading.batch_size < shard.ranks:
            raise ValueError(too_small(self.loading.batch_size, shard.ranks))

    def _check_batches(self) -> None:
        samples, batch_size, drop_last = len(self.indices["train"]), self.loading.batch_size, self.loading.drop_last
        if not samples or (drop_last and samples < batch_size):
            raise ValueError(
                f"no training batch: {samples} samples, data.batch_size={batch_size}, data.drop_last={drop_last}, "
                f"data.val_fraction={self.splitting.val_fraction}: lower one of them"
            )

    def _say_fold(self) -> None:
        fold, folds = self.splitting.fold, self.splitting.folds
        if folds is not None:
            samples = f"{len(self.indices['val']):,} of {len(self.indices['train']) + len(self.indices['val']):,}"
            log.info("val is fold %d of 0 to %d, %s samples; no data.val_fraction", fold, folds - 1, samples)
