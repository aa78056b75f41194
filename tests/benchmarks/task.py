"""What is trained in the benchmarks: nets, the overrides that make a normal run of each, and how long an epoch is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from src.net.fashion_cnn import FashionCNN
from src.net.fashion_dnn import FashionDNN
from src.net.mlp import MLP
from src.net.one_layer import OneLayer
from src.net.torchvision import TorchvisionNet

TRAIN_BATCHES = 540  # of 100: Fashion-MNIST's training set without the tenth cut off for validation
CLASSES = 10
NETS = {
    "softmax_regression": OneLayer,
    "fashion_dnn": FashionDNN,
    "fashion_cnn": FashionCNN,
    "resnet18": partial(TorchvisionNet, name="resnet18"),
}


@dataclass(frozen=True)
class Task:
    """A net on Fashion-MNIST, in images of `side` pixels, or on the XOR gate, for `steps` of `batch_size` an epoch.

    `accelerator` is the word of `trainer.accelerator`: cpu or gpu.
    """

    name: str
    data_dir: Path
    steps: int = TRAIN_BATCHES
    batch_size: int = 100
    side: int = 28
    overrides: Sequence[str] = ()
    accelerator: str = "cpu"

    @property
    def is_gate(self) -> bool:
        """Whether it is XOR and not Fashion-MNIST."""
        return self.name == "gate_xor_mlp"

    @property
    def device(self) -> torch.device:
        """Where the loops written by hand run."""
        return torch.device("cuda" if self.accelerator == "gpu" else self.accelerator)

    @property
    def run(self) -> list[str]:
        """The overrides of a normal run; `overrides` come last."""
        where = f"trainer.accelerator={self.accelerator}"
        if self.is_gate:
            return ["experiment=gate_xor_mlp", where, f"data.passes={self.steps}", *self.overrides]
        data = ["data=fashionmnist", f"data_dir={self.data_dir}", f"data.batch_size={self.batch_size}"]
        size = [f"data.image_size={self.side}", f"trainer.limit_train_batches={self.steps}"]
        return [f"model={self.name}", where, *data, *size, *self.overrides]

    @property
    def samples(self) -> int:
        """How many an epoch has."""
        return self.steps * self.batch_size

    def net(self) -> nn.Module:
        """Return the bare net, untrained, on its device."""
        if self.is_gate:
            return MLP((2,), 1, widths=[10, 10, 10], activation="sigmoid").to(self.device)
        return NETS[self.name]((1, self.side, self.side), CLASSES).to(self.device)  # type: ignore[no-any-return]

    def but(self, *overrides: str, **changes: int) -> "Task":
        """Return the same with more overrides and other numbers."""
        return replace(self, overrides=[*self.overrides, *overrides], **changes)  # type: ignore[arg-type]


def tasks(data_dir: Path, *, steps: int | None = None, accelerator: str = "cpu") -> dict[str, Task]:
    """Return every task by name; with `steps` an epoch has no more than these."""
    every = [
        Task("softmax_regression", data_dir),
        Task("fashion_dnn", data_dir),
        Task("fashion_cnn", data_dir),
        Task("resnet18", data_dir, side=32, steps=150),
        Task("gate_xor_mlp", data_dir, steps=10_001, batch_size=4),
    ]
    return {
        task.name: replace(task, steps=min(task.steps, steps or task.steps), accelerator=accelerator) for task in every
    }
