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
from collections.abc import Callable, Iterator, Sequence
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
from src.data.logic_gate import logic_gate
from src.net.fashion_cnn import FashionCNN
from src.net.fashion_dnn import FashionDNN
from src.net.mlp import MLP
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


def over_bare_loop(
    model: str, data_dir: Path, *, asked: float, rounds: int, batches: int = TRAIN_BATCHES, steps_per_call: int = 1
) -> Row:
    """A normal run against the shortest loop there is: float tensors in memory, PyTorch's default Adam."""
    dataset = FashionMNIST(str(data_dir), train=True)
    x_NCHW = (dataset.data[: TRAIN_BATCHES * BATCH_SIZE, None] / 255 - 0.2860) / 0.3530
    target_N = dataset.targets[: TRAIN_BATCHES * BATCH_SIZE].clone()
    del dataset
    epoch = loop(NETS[model](SHAPE, CLASSES), lambda: gathered(x_NCHW, target_N), batches=batches)
    calls = f", {steps_per_call} steps per call" if steps_per_call > 1 else ""
    run = [*_fashion(model, data_dir, batches), f"trainer.steps_per_call={steps_per_call}"]
    return _row(f"{model}{calls}: normal run / bare loop", run, epoch, asked, rounds, batches * BATCH_SIZE)


def over_bare_gate(*, asked: float, rounds: int, steps: int = 2000) -> Row:
    """The experiment gate_xor_mlp against a bare loop that records loss and accuracy as often, every 100 steps."""
    epoch = gate_loop(MLP((2,), 1, widths=[10, 10, 10], activation="sigmoid"), steps=steps)
    run = ["experiment=gate_xor_mlp", f"data.passes={steps}"]
    return _row("gate_xor_mlp: normal run / bare loop", run, epoch, asked, rounds, steps, unit="steps")


def over_published_loop(model: str, data_dir: Path, *, asked: float, rounds: int, batches: int = TRAIN_BATCHES) -> Row:
    """A normal run against the loop as published: a DataLoader without workers, ToTensor on each sample."""
    loader = DataLoader(FashionMNIST(str(data_dir), transform=ToTensor()), batch_size=BATCH_SIZE, shuffle=True)
    epoch = loop(NETS[model](SHAPE, CLASSES), lambda: iter(loader), batches=batches)
    run = _fashion(model, data_dir, batches)
    return _row(f"{model}: normal run / published loop", run, epoch, asked, rounds, batches * BATCH_SIZE)


def over_itself(
    model: str, data_dir: Path, part: str, *, asked: float, rounds: int, batches: int = TRAIN_BATCHES
) -> Row:
    """The time of a normal run's epochs with a part of it, `checkpoints` or `guard`, over those without, in turns."""
    turns = Switched(SWITCHES[part])
    normal_run(_fashion(model, data_dir, batches), turns, epochs=2 * rounds + 2)
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


def gate_loop(net: nn.Module, *, steps: int) -> Callable[[], None]:
    """Return a function that trains `net` for `steps` full batches on XOR."""
    x_N2, target_N = logic_gate("xor", train=True)
    target_N1, recorded = target_N.float().unsqueeze(1), []
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)

    def epoch() -> None:
        with patch.dict(os.environ):
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # as in `loop`
            for step in range(1, steps + 1):
                logit_N1 = net(x_N2)
                loss = F.binary_cross_entropy_with_logits(logit_N1, target_N1)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if step % 100 == 0:
                    accuracy = ((logit_N1 > 0) == (target_N1 > 0.5)).float().mean()
                    recorded.append((step, loss.item(), accuracy.item()))

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


def normal_run(overrides: Sequence[str], turns: Turns, *, epochs: int) -> None:
    """Compose and train a run as `src.train` does, with `turns` before its other callbacks."""
    register()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # as conf/hydra/job_logging/run.yaml does
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere, quiet():
        here = ["trainer=cpu", f"trainer.max_epochs={epochs}", f"run={folder}"]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = plain(compose("train", [*overrides, *here]))
        run_model, data, trainer = (build(config[group]) for group in ("model", "data", "trainer"))
        for callback in trainer.callbacks:
            if isinstance(callback, ProgressBar):
                callback.console = Console(file=nowhere, force_terminal=True)
        trainer.callbacks.insert(0, turns)
        record = Record(Path(folder))
        train(run_model, data, trainer, record=record, monitor=config["monitor"], mode=config["mode"])


def _fashion(model: str, data_dir: Path, batches: int) -> list[str]:
    """The overrides of a run on `batches` batches of Fashion-MNIST."""
    data = ["data=fashionmnist", f"data_dir={data_dir}", f"data.batch_size={BATCH_SIZE}"]
    return [f"model={model}", *data, f"trainer.limit_train_batches={batches}"]


def _row(
    what: str,
    run: Sequence[str],
    epoch: Callable[[], None],
    asked: float,
    rounds: int,
    amount: int,
    unit: str = "samples",
) -> Row:
    turns = Turns(epoch)
    normal_run(run, turns, epochs=rounds + 1)
    run_s, other_s = turns.run_seconds[1:], turns.other_seconds[1:]  # the first round warms up
    sides = f"{amount / median(run_s):,.0f} / {amount / median(other_s):,.0f} {unit}/s"
    return Row(what, [theirs / ours for ours, theirs in zip(run_s, other_s, strict=True)], asked, sides=sides)
