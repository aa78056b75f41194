"""The loops that people write by hand: on tensors in memory, and as published.

Shapes: N samples, B batch.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import Compose, Pad, ToTensor

from src.data.read.logic_gate import logic_gate
from tests.benchmarks.task import CLASSES, Task

Batch = tuple[Tensor, Tensor]
EVERY = 100  # steps after which the loop on XOR records loss and accuracy, as its experiment does


@dataclass
class Loop:
    """The shortest loop there is; call it for an epoch. `after` is told of each step: its number, and its tensors."""

    net: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: Any
    batches: Callable[[], Iterable[Batch]]
    after: Callable[[int, Tensor, Tensor, Tensor], None] | None = None

    def __call__(self) -> None:
        """Train for an epoch."""
        self.net.train()
        for step, (x_B, target_B) in enumerate(self.batches(), start=1):
            self.optimizer.zero_grad()
            output_B = self.net(x_B)
            loss = self.loss(output_B, target_B)
            loss.backward()
            self.optimizer.step()
            if self.after:
                self.after(step, loss, output_B, target_B)
        if x_B.is_cuda:
            torch.cuda.synchronize()  # a run has waited too, when its epoch's scores are there


def bare(task: Task) -> Loop:
    """Return the loop over float tensors in memory, with PyTorch's default Adam, or SGD on XOR."""
    net = task.net()
    if task.is_gate:
        return _gate(net, steps=task.steps, device=task.device)
    x_NCHW, target_N = (tensor.to(task.device) for tensor in in_memory(task))
    optimizer = torch.optim.Adam(net.parameters())
    batches = lambda: islice(gathered(x_NCHW, target_N, batch_size=task.batch_size), task.steps)  # noqa: E731
    return Loop(net, F.cross_entropy, optimizer, batches)


def alone(task: Task) -> Loop:
    """Return the loop that has but one batch, of noise, on its device, and the quickest Adam: what the net takes."""
    net, classes = task.net(), torch.randint(CLASSES, (task.batch_size,), device=task.device)
    x_BCHW = torch.randn(task.batch_size, 1, task.side, task.side, device=task.device)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    return Loop(net, F.cross_entropy, optimizer, lambda: repeat((x_BCHW, classes), task.steps))


def published(task: Task) -> Loop:
    """Return the loop as published: a DataLoader without workers, ToTensor on each sample."""
    net, loader = task.net(), DataLoader(samples(task), batch_size=task.batch_size, shuffle=True)
    batches = lambda: ((x_B.to(task.device), y_B.to(task.device)) for x_B, y_B in islice(loader, task.steps))  # noqa: E731
    return Loop(net, F.cross_entropy, torch.optim.Adam(net.parameters()), batches)


def samples(task: Task, *, train: bool = True) -> FashionMNIST:
    """Return the dataset that makes a tensor of each image when it is asked for it."""
    margin = (task.side - 28) // 2
    transform = Compose([Pad(margin), ToTensor()]) if margin else ToTensor()
    return FashionMNIST(str(task.data_dir), train=train, transform=transform)


def in_memory(task: Task, *, train: bool = True) -> Batch:
    """Return normalised images (N, 1, H, W) and labels; of the training set what a normal run trains on."""
    dataset = FashionMNIST(str(task.data_dir), train=train)
    end = len(dataset) * 9 // 10 if train else len(dataset)
    x_NCHW = (dataset.data[:end, None] / 255 - 0.2860) / 0.3530
    return F.pad(x_NCHW, [(task.side - 28) // 2] * 4), dataset.targets[:end].clone()


def gathered(x_NCHW: Tensor, target_N: Tensor, *, batch_size: int) -> Iterator[Batch]:
    """Yield shuffled batches cut out of tensors."""
    for index_B in torch.randperm(len(target_N), device=target_N.device).split(batch_size):
        yield x_NCHW[index_B], target_N[index_B]


def _gate(net: nn.Module, *, steps: int, device: torch.device) -> Loop:
    x_N2, target_N = logic_gate.read("xor", split="train")
    batch, recorded = (x_N2.to(device), target_N.float().unsqueeze(1).to(device)), []

    def record(step: int, loss: Tensor, logit_N1: Tensor, target_N1: Tensor) -> None:
        if step % EVERY == 0:
            accuracy = ((logit_N1 > 0) == (target_N1 > 0.5)).float().mean()
            recorded.append((step, loss.item(), accuracy.item()))

    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    return Loop(net, F.binary_cross_entropy_with_logits, optimizer, lambda: repeat(batch, steps), record)
