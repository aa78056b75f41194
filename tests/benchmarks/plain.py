"""Plain Lightning as its documentation teaches it: a DataLoader with workers, self.log and torchmetrics at each step.

Shapes: B batch.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from os import devnull
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, random_split
from torchmetrics.classification import MulticlassAccuracy

from src.run.quiet import quiet
from tests.benchmarks.loops import samples
from tests.benchmarks.task import CLASSES, Task

WORKERS = 2


class Classifier(lightning.LightningModule):
    """A net that logs its loss and accuracy."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.accuracy = nn.ModuleDict(
            {f"{split}_acc": MulticlassAccuracy(CLASSES) for split in ("train", "val", "test")}
        )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Log at each step."""
        return self._logged("train", batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log at the epoch's end."""
        self._logged("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log at the end."""
        self._logged("test", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return PyTorch's default Adam."""
        return torch.optim.Adam(self.parameters())

    def _logged(self, split: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        x_B, target_B = batch
        output_B = self.net(x_B)
        loss = F.cross_entropy(output_B, target_B)
        metric: Any = self.accuracy[f"{split}_acc"]
        metric(output_B, target_B)
        self.log(f"{split}_loss", loss, prog_bar=True)
        self.log(f"{split}_acc", metric, prog_bar=True)
        return loss


class Clock(lightning.Callback):
    """Times training epochs."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on_train_epoch_start(self, *arguments: Any) -> None:
        """Start."""
        self.seconds -= time.perf_counter()

    def on_train_epoch_end(self, *arguments: Any) -> None:
        """Stop."""
        self.seconds += time.perf_counter()


def plain(task: Task) -> Callable[[], float]:
    """Return a function that trains for an epoch and says how many seconds it took, without Lightning's start."""
    module = Classifier(task.net())
    loader = DataLoader(samples(task), batch_size=task.batch_size, shuffle=True, num_workers=WORKERS)

    def epoch() -> float:
        clock = Clock()
        limits = {"limit_train_batches": task.steps, "limit_val_batches": 0, "max_epochs": 1}
        with tempfile.TemporaryDirectory() as folder, silence(), quiet():
            trainer = lightning.Trainer(
                accelerator=task.accelerator, default_root_dir=folder, callbacks=[clock], **limits
            )
            trainer.fit(module, loader)
        return clock.seconds

    return epoch


def whole(task: Task, folder: Path, *, epochs: int) -> None:
    """Fit for `epochs` with validation and checkpoints, and test."""
    train, val = random_split(samples(task), [0.9, 0.1])
    loaders = [DataLoader(part, task.batch_size, shuffle=part is train, num_workers=WORKERS)
               for part in (train, val, samples(task, train=False))]  # fmt: skip
    module = Classifier(task.net())
    trainer = lightning.Trainer(
        accelerator=task.accelerator, max_epochs=epochs, limit_train_batches=task.steps, default_root_dir=folder
    )
    trainer.fit(module, *loaders[:2])
    trainer.test(module, loaders[2])


@contextmanager
def silence() -> Iterator[None]:
    """Let nothing be printed: the bar is drawn, to nowhere."""
    with Path(devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
