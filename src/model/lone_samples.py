"""What the batches of a training have to be, refused before its first step."""

from copy import deepcopy
from itertools import count

import lightning
import torch
from torch import nn
from torch.utils.data.distributed import DistributedSampler

from src.model.loader import is_numbered


def refuse_unshared(trainer: lightning.Trainer) -> None:
    """Raise ValueError where each of several processes would train on all of the data."""
    loader = trainer.train_dataloader
    is_shared = is_numbered(loader) or isinstance(getattr(loader, "sampler", None), DistributedSampler)
    if trainer.world_size > 1 and not is_shared:
        raise ValueError(
            f"each of {trainer.world_size} processes would train on all of the data, whose loader is not ours: "
            "set trainer.use_distributed_sampler=true"
        )


def refuse_lone_samples(net: nn.Module, trainer: lightning.Trainer, *, devices: int) -> None:
    """Raise ValueError where `net` would train on one sample and cannot.

    That is a batch of one, or what is left of one for each of the `devices` that a forward pass is spread over, or of
    the processes that share it.
    """
    loader = trainer.train_dataloader
    if not is_numbered(loader) or any(isinstance(module, nn.SyncBatchNorm) for module in net.modules()):
        return

    def smallest_part(samples: int) -> int:
        if devices > 1:
            return len(torch.empty(samples, device="meta").chunk(devices)[-1])
        return max(1, samples // loader.ranks)

    full, last = (loader.size(number) for number in (0, loader.batches - 1))
    is_cut = trainer.num_training_batches < len(loader)  # trainer.limit_train_batches leaves the last one out
    if smallest_part(full) > 1 and (is_cut or smallest_part(last) > 1):
        return
    x_1 = torch.zeros(1, *trainer.datamodule.shape, device="meta")  # type: ignore[attr-defined]
    try:
        deepcopy(net).to("meta")(x_1)
    except ValueError as error:
        enough = next(size for size in count(full) if smallest_part(size) > 1)
        raise ValueError(
            f"{_whose(devices, loader.ranks, is_full=smallest_part(full) == 1)} one sample, which BatchNorm cannot "
            f"train on ({error}): set {'data.drop_last=true' if enough == full else f'data.batch_size={enough}'}"
        ) from error


def _whose(devices: int, ranks: int, *, is_full: bool) -> str:
    if devices > 1:
        return f"one of {devices} devices gets"
    if ranks == 1:
        return "the last batch of an epoch has"
    return f"each of {ranks} processes has" if is_full else "a process's part of the last batch of an epoch has"
