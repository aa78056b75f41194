"""One process per GPU, each with a part of the weights, gradients and moments, for nets that do not fit on one."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy

from src.run.checkpoint import load


class FSDP(FSDPStrategy):
    """Lightning's FSDP; modules of `min_parameters` and more are parted, each by itself.

    Checkpoints hold the whole weights under the plain net's names, so that every command takes them.
    """

    def __init__(self, *, min_parameters: int = 1_000_000, cpu_offload: bool = False):
        if not torch.cuda.is_available():
            raise ValueError(
                "trainer.strategy=fsdp parts a net among GPUs, and PyTorch finds none here: set trainer=auto"
            )
        if min_parameters < 1:
            raise ValueError(f"trainer.strategy.min_parameters={min_parameters}: at least 1")
        super().__init__(
            auto_wrap_policy=partial(size_based_auto_wrap_policy, min_num_params=min_parameters),
            cpu_offload=cpu_offload,
            state_dict_type="full",
        )

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Load a checkpoint that holds plain data and is what was written: Lightning's own way would run its code."""
        load(Path(checkpoint_path))
        return super().load_checkpoint(checkpoint_path, weights_only=weights_only)
