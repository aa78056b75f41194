"""The LightningDataModule of every dataset: reads it, verifies it, splits it, serves batches.

Shapes: N samples, C channels, H height, W width, D features.
"""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lightning
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from src.data.batches import Batch, Batches, Fetch, Images, Order, from_memory, from_workers
from src.data.choose import choose, class_numbers
from src.data.prepare import Augment, Normalize, from_pil, resize
from src.data.split import train_val_indices

log = logging.getLogger(__name__)

TASKS = ("binary", "multiclass", "regression")
Read = Callable[..., tuple[Images, Tensor]]


class Data(lightning.LightningDataModule):
    """Train, val and test batches of one dataset, in memory where it fits.

    `read(train=True | False)` gives the official training or test set: stored samples (N, C, H, W) or (N, D), and
    targets (N,) as class numbers, or numbers for regression. Validation is cut from the training set by `split_seed`;
    `fit` never reads the test set.

    `shape`, `classes` and `task` are facts that the config states; `setup` verifies them and raises ValueError where
    the data disagree. `labels` name what the dataset's numbers mean where `classes` is a choice of them: samples of
    other classes are left out, and the chosen ones renumbered in their order. `splits` are those the dataset has; with
    `shared_split` the training set serves as every split, as a truth table does. An epoch goes `passes` times through
    the training set, which spares tiny datasets the cost of thousands of epochs. `workers` counts the processes that
    stream where `in_memory` is false, or "auto" and the samples are no tensor that fits.
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
        shared_split: bool = False,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        scale: float = 255.0,
        normalize: bool = True,
        image_size: int | None = None,
        batch_size: int = 100,
        drop_last: bool = False,
        shuffle: bool = True,
        passes: int = 1,
        val_fraction: float = 0.1,
        split_seed: int = 0,
        seed: int = 0,
        crop_padding: int = 0,
        horizontal_flip: bool = False,
        in_memory: bool | str = "auto",
        workers: int = 2,
    ):
        super().__init__()
        if passes < 1:
            raise ValueError(f"data.passes={passes}: an epoch goes through the training set at least once")
        if batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size}: a batch has at least one sample")
        if not 0 <= val_fraction < 1:
            raise ValueError(f"data.val_fraction={val_fraction}: a share of the training set, from 0 up to but not 1")
        if in_memory not in (True, False, "auto"):
            raise ValueError(f"data.in_memory={in_memory}: choose true, false or auto")
        if crop_padding < 0 or workers < 0:
            raise ValueError(f"data.crop_padding={crop_padding}, data.workers={workers}: neither is below 0")
        if normalize and len(mean) not in (1, shape[0]):
            raise ValueError(f"data.mean={list(mean)}: one for all, or one for each of the {shape[0]} channels")
        _check_task(task, classes)
        self.read = read
        self.shape = tuple(shape)
        self.classes = None if classes is None else list(classes)
        self.task = task
        self.labels = self.classes if labels is None else list(labels)
        self.splits = tuple(splits)
        self.shared_split = shared_split
        self._numbers = class_numbers(self.classes or [], self.labels or [])
        self.normalize = Normalize(mean, std, scale=scale) if normalize else Normalize(scale=scale)
        self.image_size = image_size
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.passes = passes
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        self.seed = seed
        self.augment = Augment(crop_padding, horizontal_flip)
        self.in_memory = in_memory
        self.workers = workers
        self.train_indices = self.val_indices = self.test_indices = torch.empty(0, dtype=torch.long)
        self._stored: dict[bool, tuple[Images, Tensor]] = {}

    def setup(self, stage: str) -> None:
        """Read and verify the training set for `fit` and `validate`, the test set for `test`; each once."""
        train = stage in ("fit", "validate") or self.shared_split
        if train in self._stored:
            return
        self._stored[train] = images, _ = self._verified(*self.read(train=train))
        if not train:
            self.test_indices = torch.arange(len(images))
            return
        if self.shared_split:
            self.train_indices = self.val_indices = self.test_indices = torch.arange(len(images))
            return
        self.train_indices, self.val_indices = train_val_indices(
            len(images), val_fraction=self.val_fraction, seed=self.split_seed
        )
        if self.val_fraction and not len(self.val_indices):
            raise ValueError(
                f"data.val_fraction={self.val_fraction} of {len(images)} samples is none: raise it, or set 0"
            )
        batches = len(self.train_indices) / self.batch_size
        if not len(self.train_indices) or (self.drop_last and batches < 1):
            raise ValueError(
                f"no training batch: {len(self.train_indices)} samples, data.batch_size={self.batch_size}, "
                f"data.drop_last={self.drop_last}, data.val_fraction={self.val_fraction}: lower one of them"
            )

    def train_dataloader(self) -> Batches:
        """Shuffled, augmented batches."""
        order = Order(self.train_indices, seed=self.seed, shuffle=self.shuffle, passes=self.passes)
        return self._batches(order, train=True, drop_last=self.drop_last, augment=self.augment)

    def val_dataloader(self) -> Batches | list[Batches]:
        """Every sample of the validation split once, in order; no loader where the split is empty."""
        if not len(self.val_indices):
            return []
        return self._batches(Order(self.val_indices, seed=self.seed, shuffle=False), train=True)

    def test_dataloader(self) -> Batches:
        """Every sample of the official test set once, in order."""
        return self._batches(Order(self.test_indices, seed=self.seed, shuffle=False), train=self.shared_split)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Return the batch as it is where it is there already, as in-memory batches are."""
        x_B, y_B = batch
        return batch if x_B.device == device else (x_B.to(device, non_blocking=True), y_B.to(device, non_blocking=True))

    def preprocess(self, image: Any) -> Tensor:
        """Return (B, C, H, W) as the net wants it, for PIL, uint8 (C, H, W) or uint8 (B, C, H, W)."""
        channels, *size = self.shape
        pixels = image if isinstance(image, Tensor) else from_pil(image, channels)
        x_BCHW = pixels if pixels.ndim == 4 else pixels[None]
        if x_BCHW.shape[1] != channels:
            x_BCHW = x_BCHW[:, :3] if x_BCHW.shape[1] >= 3 else x_BCHW[:, :1]  # what follows is opacity
            x_BCHW = F.rgb_to_grayscale(x_BCHW) if channels == 1 else x_BCHW.expand(-1, channels, -1, -1)
        return self.normalize(resize(x_BCHW, size))

    def _batches(
        self, order: Order, *, train: bool, drop_last: bool = False, augment: Augment | None = None
    ) -> Batches:
        return Batches(
            self._fetch(*self._stored[train]),
            order,
            batch_size=self.batch_size,
            drop_last=drop_last,
            normalize=self.normalize,
            augment=augment,
        )

    def _fetch(self, images: Images, target_N: Tensor) -> Fetch:
        if not self.in_memory or not isinstance(images, Tensor):
            return from_workers(images, target_N, workers=self.workers)
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return from_memory(images.to(device), target_N.to(device))

    def _verified(self, images: Images, target_N: Tensor) -> tuple[Images, Tensor]:
        """Return the samples in the stated shape.

        Raise where channels, classes or task are not what the config states.
        """
        if not len(images) or len(images) != len(target_N):
            raise ValueError(
                f"{len(images)} samples and {len(target_N)} targets: a dataset has as many of each, and some"
            )
        if self.labels is not None:
            low, high = int(target_N.min()), int(target_N.max())
            if low < 0 or high >= len(self.labels):
                wrong = low if low < 0 else high
                raise ValueError(
                    f"label {wrong} in the data, but data.classes names {len(self.labels)} classes, "
                    f"0 to {len(self.labels) - 1}: name every class in data.classes"
                )
        if self.classes != self.labels:
            images, target_N = choose(images, target_N, self._numbers)
        if not isinstance(images, Tensor):
            images = self._decoded(images)
        if isinstance(images, Tensor) and images.ndim == 4 and self.image_size and images.shape[2:] != self.shape[1:]:
            log.debug("images of %d x %d are resized to %d x %d", *images.shape[2:], *self.shape[1:])
            images = resize(images, self.shape[1:])
        found = tuple(images[0].shape)
        if found != self.shape:
            raise ValueError(
                f"samples have shape {list(found)}, but data.shape={list(self.shape)}: set data.shape={list(found)}"
            )
        return images, target_N

    def _decoded(self, images: Images) -> Images:
        """Return one tensor where that is wanted and fits in half of the free memory, else the images."""
        if not self.in_memory:
            return images
        wanted = images[0].numel() * len(images)
        if self.in_memory == "auto" and wanted > _free_memory_bytes() / 2:
            log.info("%.1f GB of images do not fit in memory: streamed by data.workers=%d", wanted / 1e9, self.workers)
            return images
        stored_N = torch.empty(len(images), *images[0].shape, dtype=images[0].dtype)

        def decode(index: int) -> None:
            stored_N[index] = images[index]

        with ThreadPoolExecutor() as pool:  # decoders release Python's lock
            for _ in pool.map(decode, range(len(images))):
                pass  # a decoder's error is raised here
        return stored_N


def _free_memory_bytes() -> float:
    """The memory that is free now, or infinity on a system that does not say (macOS, Windows)."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):
        return float("inf")


def _check_task(task: str, classes: Sequence[str] | None) -> None:
    if task not in TASKS:
        raise ValueError(f"data.task={task}: choose from {', '.join(TASKS)}")
    if task == "binary" and len(classes or ()) != 2:
        raise ValueError(f"data.task=binary, but data.classes={classes}: name two classes, or set data.task=multiclass")
