"""Toy datasets in the real formats on disk, and the small data, trainers and loggers that tests share.

Shapes: N samples, C channels, H height, W width, D features.
"""

import gzip
import hashlib
import inspect
import pickle
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn
from torchvision.datasets import CIFAR10

from src.data.dataset import dataset
from src.data.module import Data
from src.fit.trainer import Trainer
from src.model.learns import Learns
from src.model.supervised import Supervised
from src.task.binary import Binary
from src.task.multiclass import Multiclass
from src.task.multilabel import Multilabel
from src.task.regression import Regression
from src.task.segmentation import Segmentation
from src.task.task import Task

IDX_NAMES = {True: ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")}
IDX_NAMES[False] = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def images(samples: int, shape: Sequence[int], *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noise as uint8 (N, *shape) with a brighter row per class, and the labels 0..9 in turn (N,)."""
    labels_N = np.arange(samples) % 10
    pixels = np.random.default_rng(seed).integers(0, 160, (samples, *shape), dtype=np.uint8)
    for image, label in zip(pixels, labels_N, strict=True):
        image[..., label * shape[-2] // 10, :] += 90
    return pixels, labels_N


def idx(values: np.ndarray) -> bytes:
    """The bytes of an IDX file of uint8 values."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def mnist_files(
    root: Path, *, name: str = "MNIST", train: int = 60, test: int = 20
) -> dict[bool, tuple[np.ndarray, np.ndarray]]:
    """Write MNIST's (or FashionMNIST's) four files under `root`; return {train?: (images (N, 28, 28), labels)}."""
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    written = {}
    for is_train, samples in ((True, train), (False, test)):
        written[is_train] = images(samples, (28, 28), seed=is_train)
        for file, values in zip(IDX_NAMES[is_train], written[is_train], strict=True):
            (folder / file).write_bytes(idx(values))
    return written


def cifar10_files(root: Path, *, train: int = 50, test: int = 20) -> dict[bool, tuple[np.ndarray, np.ndarray]]:
    """Write CIFAR-10's seven files under `root`; return {train?: (images (N, 3, 32, 32), labels)}.

    torchvision knows the md5 of the real ones: call `accept_cifar10` before reading.
    """
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    written = {True: images(train, (3, 32, 32), seed=1), False: images(test, (3, 32, 32), seed=0)}
    parts = {f"data_batch_{k + 1}": (True, slice(k * train // 5, (k + 1) * train // 5)) for k in range(5)}
    for file, (is_train, part) in (parts | {"test_batch": (False, slice(None))}).items():
        pixels, labels_N = (values[part] for values in written[is_train])
        batch = {"data": pixels.reshape(len(pixels), -1), "labels": labels_N.tolist()}
        (folder / file).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10_CLASSES}))
    return written


def accept_cifar10(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Let torchvision take the CIFAR-10 files under `root`, as they are now, for the real ones."""

    def md5(name: str) -> str:
        return hashlib.md5((root / CIFAR10.base_folder / name).read_bytes()).hexdigest()

    for files in ("train_list", "test_list"):
        monkeypatch.setattr(CIFAR10, files, [[name, md5(name)] for name, _ in getattr(CIFAR10, files)])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5("batches.meta")})


def gzipped(path: Path) -> None:
    """Replace a file by its gzip, under the same name."""
    path.write_bytes(gzip.compress(path.read_bytes()))


def table(samples: int, features: int, outputs: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return normal features (N, D) and targets (N,): classes 0..`outputs`-1, or numbers where `outputs` is 0."""
    random = torch.Generator().manual_seed(seed)
    x_ND = torch.randn(samples, features, generator=random)
    score_N = x_ND @ torch.arange(1.0, features + 1) + torch.randn(samples, generator=random)
    if not outputs:
        return x_ND, score_N
    return x_ND, (score_N.argsort().argsort() * outputs) // samples


def tabular(
    *, train: int = 40, test: int = 12, features: int = 4, outputs: int = 3, task: str = "multiclass", **settings: Any
) -> Data:
    """Return data of `table`, without normalisation; `settings` go to Data."""
    sets = {"train": table(train, features, outputs, seed=1), "test": table(test, features, outputs, seed=2)}

    def read(*, split: str) -> tuple[Tensor, Tensor]:
        return sets[split]

    classes = [str(number) for number in range(outputs)] or None
    return dataset()(read)(shape=[features], classes=classes, task=task, scale=1.0, **settings)


def pictured(task: str, *, train: int = 40, **settings: Any) -> Data:
    """Return data of grey images of 4 x 6 pixels with three classes a pixel, or labels; `settings` go to Data."""

    def read(*, split: str) -> tuple[Tensor, Tensor]:
        random = torch.Generator().manual_seed(len(split))
        mask_NHW = torch.randint(3, (train, 4, 6), generator=random)
        image_N1HW = (80 * mask_NHW[:, None] + torch.randint(90, (train, 1, 4, 6), generator=random)).to(torch.uint8)
        if task == "segmentation":
            return image_N1HW, mask_NHW.masked_fill(torch.rand(train, 4, 6, generator=random) < 0.1, 255)
        return image_N1HW, torch.stack([(mask_NHW == k).flatten(1).sum(dim=1) > 8 for k in range(3)], dim=1).long()

    return dataset()(read)(shape=(1, 4, 6), classes=["a", "b", "c"], task=task, **settings)


def trainer(folder: Path, **settings: Any) -> Trainer:
    """Return a quiet Trainer on the CPU; `settings` replace its arguments."""
    defaults: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "log_every_n_steps": 1}
    off = ("enable_progress_bar", "enable_model_summary", "logger", "use_distributed_sampler")
    keeps = any(isinstance(callback, Checkpoint) for callback in settings.get("callbacks", []))
    defaults |= (
        dict.fromkeys(off, False)
        | {"enable_checkpointing": keeps}
        | {"num_sanity_val_steps": 0, "default_root_dir": folder}
    )
    return Trainer(**defaults | settings)


TASKS: dict[str, type[Task]] = {"binary": Binary, "multiclass": Multiclass, "regression": Regression}
TASKS |= {"multilabel": Multilabel, "segmentation": Segmentation}


def supervised(task: str, net: nn.Module, *, cls: type[Supervised] = Supervised, **settings: Any) -> Supervised:
    """Return a model; `settings` go to its task, to what learns of it, or to itself."""
    of_task, of_learns = (
        {key: settings.pop(key) for key in [*settings] if key in inspect.signature(owner).parameters}
        for owner in (TASKS[task], Learns)
    )
    return cls(net, task=TASKS[task](**of_task), learns=Learns(**of_learns), **settings)


def multiclass(net: nn.Module, **settings: Any) -> Supervised:
    """Return a model of classes; as `supervised`."""
    return supervised("multiclass", net, **settings)


def binary(net: nn.Module, **settings: Any) -> Supervised:
    """Return a model of two classes and one logit; as `supervised`."""
    return supervised("binary", net, **settings)


def regression(net: nn.Module, **settings: Any) -> Supervised:
    """Return a model of numbers; as `supervised`."""
    return supervised("regression", net, **settings)


class Points(Logger):
    """A logger that keeps what it is given: (step, {name: value}) in `points`."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[int, dict[str, float]]] = []

    @property
    def name(self) -> str:
        """A logger has a name."""
        return "points"

    @property
    def version(self) -> str:
        """A logger has a version."""
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """A logger takes these."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep a point."""
        assert step is not None
        self.points.append((step, dict(metrics)))

    def of(self, name: str) -> list[tuple[int, float]]:
        """The points that have the score `name`."""
        return [(step, values[name]) for step, values in self.points if name in values]


class Each(lightning.Callback):
    """A callback that calls `look(trainer, batch)` after every training batch."""

    def __init__(self, look: Callable[[lightning.Trainer, Any], None]):
        self.look = look

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look."""
        self.look(trainer, batch)


ANIMAL, PLANT = 'a small {} that lives in water; "the fish swam"', "a tall {} with green leaves"
SYNSET = "{place:08d} {file:02d} n 01 {word} 0 001 @ 00001740 n 0000 | {gloss}  \n"


def wordnet_files(folder: Path) -> Path:
    """Write forty animals and forty plants in turn, in the format of WordNet's nouns; return the folder of the file."""
    lines = ["  1 This software and database is being provided to you, the LICENSEE, by\n"]
    for number in range(40):
        for file, gloss in ((5, ANIMAL.format(f"beast{number % 7}")), (20, PLANT.format(f"herb{number % 7}"))):
            lines.append(SYNSET.format(place=2 * number + file, file=file, word=f"w{number}", gloss=gloss))
    (folder / "wordnet").mkdir(parents=True, exist_ok=True)
    (folder / "wordnet" / "data.noun").write_text("".join(lines))
    return folder / "wordnet"
