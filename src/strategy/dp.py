"""DataParallel: one process, in which a net's forward pass goes through several devices at once, a part on each.

Lightning knows it as `strategy: dp` once this file is imported.

Shapes: B batch.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import ParallelStrategy, StrategyRegistry
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.func import functional_call

from src.net.compiled import is_compiled

log = logging.getLogger(__name__)


@StrategyRegistry.register("dp", description="one process, the forward pass in parallel")
class DataParallel(ParallelStrategy):
    """Splits every batch over the devices, and gathers the outputs on the first, where everything else is done once.

    Loss and metrics see the whole batch, so that they are those of one device; weights, optimizer and checkpoints live
    on the first device and are those of a run without it. For a net that treats its samples one by one only the order
    of sums differs: 1e-7 in weights after some epochs, where Adam has gradients near zero to divide by 3e-6. What looks
    at several samples, or draws, does differ: BatchNorm normalises each part by itself and keeps the running statistics
    of the first part alone; dropout draws on each device from the device's own numbers, and on a CPU part by part.

    On a CPU the parts are taken one after the other: no faster, but the same figures as on so many GPUs.
    """

    strategy_name = "dp"

    def __init__(self) -> None:
        super().__init__(cluster_environment=LightningEnvironment())  # SLURM's would count processes, and this is one

    @property
    def root_device(self) -> torch.device:
        """The first device."""
        return self._devices[0]

    def setup(self, trainer: lightning.Trainer) -> None:
        """Say, once in a run, what is faster."""
        super().setup(trainer)
        if trainer.state.fn == TrainerFn.FITTING and len(self._devices) > 1:
            log.info("strategy=dp splits each batch over %d devices; trainer=ddp is faster", len(self._devices))

    def model_to_device(self) -> None:
        """Move the model to the first device; let it run its net on all of them."""
        model: Any = self.lightning_module
        if not (hasattr(model, "net") and hasattr(model, "runner")):  # src.fit.contract.Parallel, from a lower room
            raise ValueError(
                f"trainer.strategy=dp: {type(model).__name__} does not call its net through a `runner`: choose a model "
                f"of src.model, or set trainer.strategy=ddp"
            )
        model.to(self.root_device)
        if len(self._devices) > 1:
            model.runner = runner(model.net, self._devices)

    def teardown(self) -> None:
        """Leave the model as it came: it runs on the device it is on."""
        model: Any = self.lightning_module
        if getattr(model, "runner", None) is not None:
            model.runner = None
        super().teardown()

    def reduce(self, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what there is: no other process has any."""
        return tensor

    def barrier(self, name: str | None = None) -> None:
        """Wait for nobody."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """Return what there is."""
        return obj

    @property
    def _devices(self) -> list[torch.device]:
        assert self.parallel_devices, "Lightning sets them when it builds a Trainer"
        return self.parallel_devices


def runner(net: nn.Module, devices: Sequence[torch.device]) -> Callable[[Tensor], Tensor]:
    """Return what runs `net` on a batch, a part on each of `devices`; it is no module, so that a model may hold it.

    Raises ValueError for a compiled net.
    """
    if is_compiled(net):
        raise ValueError("trainer.strategy=dp: torch.compile works for one thread: leave it out, or use trainer=ddp")
    if devices[0].type == "cpu":
        return partial(in_turn, net, parts=len(devices))
    return partial(at_once, nn.DataParallel(WithAutocast(net), list(devices)))


def in_turn(net: nn.Module, x_B: Tensor, *, parts: int) -> Tensor:
    """Return the net's output for a batch, computed part by part as `nn.DataParallel` divides it.

    As there, what the net keeps in buffers is what it saw in the first part.
    """
    first_B, *rest_B = x_B.chunk(parts)
    outputs = [net(first_B)]
    for part_B in rest_B:
        buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
        outputs.append(functional_call(net, buffers, (part_B,)))
    return torch.cat(outputs)


def at_once(replicas: nn.DataParallel, x_B: Tensor) -> Tensor:
    """Return the net's output for a batch, computed by a thread for each device."""
    kind = x_B.device.type
    autocast = {"enabled": torch.is_autocast_enabled(kind), "dtype": torch.get_autocast_dtype(kind)}
    return replicas(x_B, autocast)  # by position: a keyword would go to devices that a small batch has no part for


class WithAutocast(nn.Module):
    """A net under the autocast that it is told.

    `nn.DataParallel` tells its threads that there is one, but not its dtype: bfloat16 would become float16.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x_B: Tensor, autocast: Mapping[str, Any]) -> Tensor:
        """Return the net's output under `torch.autocast` with these arguments."""
        with torch.autocast(x_B.device.type, **autocast):
            return self.net(x_B)
