"""One process per GPU, each with a part of the weights, gradients and moments, for nets that do not fit on one."""

from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy

from src.run.checkpoint_io import load
from src.strategy.launcher import Launcher, own_environment


class FSDP(FSDPStrategy):
    """Lightning's FSDP, started by our launcher; modules of `min_parameters` and more are parted, each by itself.

    Checkpoints hold the whole weights under the plain net's names, so that every command takes them.
    """

    changes_no_result = ("timeout_s",)

    def __init__(self, *, min_parameters: int = 1_000_000, cpu_offload: bool = False, timeout_s: float = 1800.0):
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
            sync_module_states=True,  # all start from rank 0's weights, which alone loads those of another run
            cluster_environment=own_environment(),
            timeout=timedelta(seconds=timeout_s),
        )
        self.timeout_s = timeout_s

    @cached_property
    def launcher(self) -> Launcher:  # type: ignore[override]
        """Ours, around the one that Lightning has made when it first asks."""
        processes = {"num_processes": self.num_processes, "num_nodes": self.num_nodes}
        return Launcher(super().launcher, **processes, timeout_s=self.timeout_s)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Load a checkpoint that holds plain data and is what was written: Lightning's own way would run its code."""
        load(Path(checkpoint_path))
        return super().load_checkpoint(checkpoint_path, weights_only=weights_only)
