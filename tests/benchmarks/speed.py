"""Training speed of a normal run over loops written by hand, epochs of both in turns.

A normal run is the composed config as a user runs it: both loggers, metrics, checkpoints and the progress bar, which
is drawn (to nowhere) as on a terminal. Its clock runs from the first hook of an epoch to the first of the next, and
stands still only while validation batches run: epoch ends, checkpoints and run.json count.

Shapes: N samples, B batch.
"""

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from unittest.mock import patch

import lightning
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

from src.callback.checkpoint import Checkpoint
from src.callback.guard import Guard
from src.callback.progress import ProgressBar
from src.config.build import build
from src.config.check import plain
from src.config.command import CONF
from src.config.schema import register
from src.net.fashion_cnn import FashionCNN
from src.net.fashion_dnn import FashionDNN
from src.net.one_layer import OneLayer
from src.run.quiet import quiet
from src.run.record import Record
from src.train import train
from tests.benchmarks.row import Row

BATCH_SIZE = 100
TRAIN_BATCHES = 540  # 54,000 samples: Fashion-MNIST's training set without the tenth cut off for validation
SHAPE, CLASSES = (1, 28, 28), 10
NETS: dict[str, type[nn.Module]] = {
    "fashion_cnn": FashionCNN,
    "fashion_dnn": FashionDNN,
    "softmax_regression": OneLayer,
}


def over_bare_loop(model: str, data_dir: Path, *, asked: float, rounds: int, batches: int = TRAIN_BATCHES) -> Row:
    """A normal run against the shortest loop there is: float tensors in memory, PyTorch's default Adam."""
    dataset = FashionMNIST(str(data_dir), train=True)
    x_NCHW = (dataset.data[: TRAIN_BATCHES * BATCH_SIZE, None] / 255 - 0.2860) / 0.3530
    target_N = dataset.targets[: TRAIN_BATCHES * BATCH_SIZE].clone()
    del dataset
    epoch = loop(NETS[model](SHAPE, CLASSES), lambda: gathered(x_NCHW, target_N), batches=batches)
    return _row(f"{model}: normal run / bare loop", model, data_dir, epoch, asked, rounds, batches)


def over_published_loop(model: str, data_dir: Path, *, asked: float, rounds: int, batches: int = TRAIN_BATCHES) -> Row:
    """A normal run against the loop as published: a DataLoader without workers, ToTensor on each sample."""
    loader = DataLoader(FashionMNIST(str(data_dir), transform=ToTensor()), batch_size=BATCH_SIZE, shuffle=True)
    epoch = loop(NETS[model](SHAPE, CLASSES), lambda: iter(loader), batches=batches)
    return _row(f"{model}: normal run / published loop", model, data_dir, epoch, asked, rounds, batches)


def over_itself(
    model: str, data_dir: Path, part: str, *, asked: float, rounds: int, batches: int = TRAIN_BATCHES
) -> Row:
    """The time of a normal run's epochs with a part of it, `checkpoints` or `guard`, over those without, in turns."""
    turns = Switched(SWITCHES[part])
    normal_run(model, data_dir, turns, epochs=2 * rounds + 2, batches=batches)
    off_s, on_s = turns.run_seconds[2::2], turns.run_seconds[3::2]  # the first two warm up
    sides = f"{median(on_s):.3f} / {median(off_s):.3f} s for {batches} batches"
    ratios = [on / off for on, off in zip(on_s, off_s, strict=True)]
    return Row(f"{model}: with {part} / without", ratios, asked, at_most=True, sides=sides)


def every_100_steps(trainer: lightning.Trainer, is_on: bool) -> None:
    """Let the checkpoints be written every 100 steps, or after each epoch alone."""
    kept = trainer.checkpoint_callback
    assert isinstance(kept, Checkpoint)
    kept.every_n_steps = 100 if is_on else math.inf


def guarded(trainer: lightning.Trainer, is_on: bool) -> None:
    """Put a guard among the callbacks, or take it away."""
    callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning's, undeclared
    callbacks[:] = [callback for callback in callbacks if not isinstance(callback, Guard)]
    if is_on:
        guard = Guard()
        guard.on_train_start(trainer, trainer.lightning_module)
        callbacks.append(guard)


SWITCHES: dict[str, Callable[[lightning.Trainer, bool], None]] = {
    "checkpoints": every_100_steps,
    "guard": guarded,
}


def gathered(x_NCHW: Tensor, target_N: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches cut out of tensors."""
    for index_B in torch.randperm(len(target_N)).split(BATCH_SIZE):
        yield x_NCHW[index_B], target_N[index_B]


def loop(
    net: nn.Module, epoch_batches: Callable[[], Iterator[tuple[Tensor, Tensor]]], *, batches: int
) -> Callable[[], None]:
    """Return a function that trains `net` for an epoch cut to `batches` batches."""
    optimizer = torch.optim.Adam(net.parameters())

    def epoch() -> None:
        net.train()
        with patch.dict(os.environ):
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # Lightning's: 0.1 ms per step where there is no GPU
            for x_B, target_B in islice(epoch_batches(), batches):
                optimizer.zero_grad()
                F.cross_entropy(net(x_B), target_B).backward()
                optimizer.step()

    return epoch


class Turns(lightning.Callback):
    """Runs `other` before each epoch and times both; the epoch's clock stands still during validation.

    It has to be the first callback, so that what the others do is inside the time.
    """

    def __init__(self, other: Callable[[], None]):
        self.other = other
        self.other_seconds: list[float] = []
        self.run_seconds: list[float] = []
        self._since_s = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the epoch before, let the other side have its turn, start the clock."""
        self._stop()
        start_s = time.perf_counter()
        self.other()
        self.other_seconds.append(time.perf_counter() - start_s)
        self.run_seconds.append(0.0)
        self._since_s = time.perf_counter()

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock."""
        self._stop()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on."""
        self._since_s = time.perf_counter()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the last epoch."""
        self._stop()

    def _stop(self) -> None:
        if self.run_seconds:
            self.run_seconds[-1] += time.perf_counter() - self._since_s


class Switched(Turns):
    """Times the epochs of a run of which `switch` turns a part off, before even ones, and on."""

    def __init__(self, switch: Callable[[lightning.Trainer, bool], None]):
        super().__init__(lambda: None)
        self.switch = switch

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Switch between two clocks."""
        self._stop()
        self.switch(trainer, len(self.run_seconds) % 2 == 1)
        self._since_s = time.perf_counter()
        super().on_train_epoch_start(trainer, pl_module)


def normal_run(model: str, data_dir: Path, turns: Turns, *, epochs: int, batches: int) -> None:
    """Compose and train a run as `src.train` does, with `turns` before its other callbacks."""
    register()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # as conf/hydra/job_logging/run.yaml does
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere, quiet():
        overrides = [
            f"model={model}",
            "data=fashionmnist",
            "trainer=cpu",
            f"trainer.max_epochs={epochs}",
            f"trainer.limit_train_batches={batches}",
            f"data.batch_size={BATCH_SIZE}",
            f"data_dir={data_dir}",
            f"run={folder}",
        ]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = plain(compose("train", overrides))
        run_model, data, trainer = (build(config[group]) for group in ("model", "data", "trainer"))
        for callback in trainer.callbacks:
            if isinstance(callback, ProgressBar):
                callback.console = Console(file=nowhere, force_terminal=True)
        trainer.callbacks.insert(0, turns)
        record = Record(Path(folder))
        train(run_model, data, trainer, record=record, monitor=config["monitor"], mode=config["mode"])


def _row(
    what: str, model: str, data_dir: Path, epoch: Callable[[], None], asked: float, rounds: int, batches: int
) -> Row:
    turns = Turns(epoch)
    normal_run(model, data_dir, turns, epochs=rounds + 1, batches=batches)
    run_s, other_s = turns.run_seconds[1:], turns.other_seconds[1:]  # the first round warms up
    samples = batches * BATCH_SIZE
    sides = f"{samples / median(run_s):,.0f} / {samples / median(other_s):,.0f} samples/s"
    return Row(what, [theirs / ours for ours, theirs in zip(run_s, other_s, strict=True)], asked, sides=sides)
