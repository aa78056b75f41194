"""What the processes of one run tell each other on the host: flags, counts, scores. Gradients go another way.

Every process has to call these at the same place. Between GPUs they go through a group of their own, over gloo, so that
no process waits for its device.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor, distributed

_HOSTS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # of each group of all processes: the one over gloo


def gathered(value: Any) -> list[Any]:
    """Return the value of every process, in their order; tensors arrive on the CPU."""
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, move_data_to_device(value, torch.device("cpu")), group=_host())
    return values


def gathered_rows(*parts: Tensor) -> Sequence[Tensor]:
    """Return each tensor with the rows of all processes, in their order, on the CPU."""
    return [torch.cat(all_parts) for all_parts in zip(*gathered(parts), strict=True)]


def highest(*numbers: int) -> list[int]:
    """Return the highest that any process gives for each number."""
    found = torch.tensor(numbers, dtype=torch.int64)
    distributed.all_reduce(found, op=distributed.ReduceOp.MAX, group=_host())
    return found.tolist()


def total(value: Tensor) -> Tensor:
    """Return the sum over all processes of a tensor, on its device."""
    summed = value.detach().clone()
    distributed.all_reduce(summed)
    return summed


def _host() -> Any:
    """Return a group of all processes that need no device."""
    everyone = distributed.group.WORLD
    if distributed.get_backend() == distributed.Backend.GLOO:
        return everyone
    if everyone not in _HOSTS:
        _HOSTS[everyone] = distributed.new_group(backend=distributed.Backend.GLOO)
    return _HOSTS[everyone]
