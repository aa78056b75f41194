"""Stops a run at its first loss that is not finite, before the weights take harm."""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import lightning
import torch
from torch import Tensor, distributed, nn
from torch.nn.utils import get_total_norm

from src.fit.contract import Batched, Merged, offers
from src.fit.leaves import tensors
from src.strategy.exchange import gathered, highest

EVERY_N_STEPS = 50  # on a GPU, where each look makes the host wait for the device
FINITE = "the batch run again gives finite outputs"
CURE = "the checkpoints are those before it; a lower optimizer.lr or trainer.gradient_clip_val=1 may help"


class DivergenceError(ValueError):
    """The loss or the weights are NaN or infinite."""


class Guard(lightning.Callback):
    """Stops where the loss is NaN or infinite, naming the step, the batch and the first layer whose output is.

    The bad update is never made, and no checkpoint is written of weights that are not finite. On the CPU the host looks
    at each loss. On a GPU with a fused optimizer the device remembers: updates are skipped from the first bad loss on,
    and the host looks every `every_n_steps` batches, then replays the first bad one. Where several processes share the
    work, a bad loss in one of them stops them all, with its words.
    """

    changes_no_result = True

    def __init__(self, *, every_n_steps: int | None = None):
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(
                f"callback.guard.every_n_steps={every_n_steps}: at least 1, or null for what the device bears"
            )
        self.every_n_steps = every_n_steps
        self._every = 1
        self._ranks = 1
        self._batch: Any = None
        self._batch_idx = -1
        self._steps: list[int] = []  # done before each batch since the host looked last

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Choose how often to look; let the device skip bad updates where it is not at each step."""
        self._ranks, device = trainer.world_size, pl_module.device
        self._every = self.every_n_steps or (1 if device.type == "cpu" else EVERY_N_STEPS)
        is_fused = all(group.get("fused") for optimizer in trainer.optimizers for group in optimizer.param_groups)
        is_scaled = getattr(trainer.precision_plugin, "scaler", None) is not None  # it sets found_inf itself
        loader = trainer.train_dataloader
        if not is_fused or is_scaled or not offers(loader, Batched):
            self._every = 1
        self._sum, self._is_bad, self._bad = (torch.zeros((), device=device) for _ in range(3))
        for optimizer in trainer.optimizers if self._every > 1 else ():
            optimizer.found_inf = self._is_bad  # type: ignore[attr-defined]  # what GradScaler sets: 1 skips the update

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the batch and its step."""
        self._batch, self._batch_idx = batch, batch_idx
        self._steps.append(trainer.global_step)

    def on_before_backward(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: Tensor
    ) -> None:
        """Look at the loss, or let the device remember that it was bad."""
        if self._every == 1:
            is_bad = not math.isfinite(loss.item())
            if self._ranks > 1:
                (is_bad,) = map(bool, highest(is_bad))
            if is_bad:
                self._stop(trainer, pl_module, bad=1)
            del self._steps[:-1]
            return
        self._sum.add_(loss.detach(), alpha=0)  # 0 until the first NaN or infinity, NaN ever after
        torch.ne(self._sum, self._sum, out=self._is_bad)
        if self._ranks > 1:
            distributed.all_reduce(self._is_bad, op=distributed.ReduceOp.MAX)
        self._bad.add_(self._is_bad)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask the device, every few steps."""
        if self._every > 1 and (batch_idx + 1) % self._every == 0:
            self._ask(trainer, pl_module)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Ask the device before the scores are looked at."""
        self._ask(trainer, pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Ask the device while the epoch's batches can be had again."""
        self._ask(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let no checkpoint be written of weights that are not finite: a finite loss can have infinite gradients."""
        self._ask(trainer, pl_module)
        name = None if math.isfinite(get_total_norm(pl_module.parameters()).item()) else bad_weights(pl_module)
        if self._ranks > 1:  # which may have parts of the weights each
            name = next(filter(None, gathered(name)), None)
        if name:
            raise DivergenceError(f"{name} is not finite after step {trainer.global_step}: {CURE}")

    def _ask(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if self._every > 1 and (bad := int(self._bad.item())):
            self._stop(trainer, module, bad=bad)
        self._steps.clear()

    def _stop(self, trainer: lightning.Trainer, module: lightning.LightningModule, *, bad: int) -> NoReturn:
        """Raise DivergenceError; the first of the last `bad` batches is the one to name."""
        batch, batch_idx, loader = self._batch, self._batch_idx + 1 - bad, trainer.train_dataloader
        step = self._steps[-bad]
        if bad > 1 and offers(loader, Batched):
            loader.start = batch_idx
            batch = next(iter(loader))
        where = f"step {step + 1}, batch {batch_idx} of epoch {trainer.current_epoch}, both from 0"
        found = culprit(module, batch, batch_idx)
        if self._ranks > 1:
            found = _of_all(found)
        raise DivergenceError(f"the loss is not finite at {where}: {found or FINITE}: {CURE}")


def _of_all(found: str | None) -> str | None:
    """Return what the first process that found anything says."""
    all_found = gathered(found)
    return next((f"process {rank}: {words}" for rank, words in enumerate(all_found) if words), None)


def culprit(module: lightning.LightningModule, batch: Any, batch_idx: int) -> str | None:
    """What is not finite first: the weights, the batch, or a layer's output when the training step runs again.

    None where all is finite. The step runs in any case, as other processes may wait in it, but where it would take the
    update that is not to be.
    """
    already = None
    if name := bad_weights(module):
        already = f"{name} is not finite already"
    elif any(not part.isfinite().all() for _, part in tensors(batch)):
        already = "the batch itself is not finite"
    replayed = bad_layer(module, batch, batch_idx) if module.automatic_optimization else None
    return already or replayed


def bad_layer(module: lightning.LightningModule, batch: Any, batch_idx: int) -> str | None:
    """Run the training step again, and return the name of the first layer whose output is not finite, or None."""
    found: list[str] = []

    def look(name: str, layer: nn.Module, inputs: Any, output: Any) -> None:  # the layer may be a replica
        if not found and any(not part.isfinite().all() for _, part in tensors(output)):
            found.append(f"{name} ({type(layer).__name__}) is the first layer whose output is not finite")

    module.train()  # a validation may be about to begin
    if offers(module, Merged):
        module.unmerge()
    layers = [(name, layer) for name, layer in module.named_modules() if name]
    handles = [layer.register_forward_hook(partial(look, name)) for name, layer in layers]
    try:
        with torch.no_grad(), silent(module):
            module.training_step(*arguments(module, batch, batch_idx))
    except Exception as error:  # which the run has not met: the words are about the loss
        found.append(f"the step run again fails with {type(error).__name__}")
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def arguments(module: lightning.LightningModule, batch: Any, batch_idx: int) -> list[Any]:
    """Return what the module's training step takes: the batch, and its number where it asks for that."""
    return [batch, batch_idx][: len(inspect.signature(module.training_step).parameters)]


@contextmanager
def silent(module: lightning.LightningModule) -> Iterator[None]:
    """Let the module log nothing in the block: a step that is run again has logged before."""
    nothing: Any = lambda *arguments, **settings: None  # noqa: E731
    vars(module).update(log=nothing, log_dict=nothing)
    try:
        yield
    finally:
        del module.log, module.log_dict


def bad_weights(module: nn.Module) -> str | None:
    """The name of the first parameter that is not finite, or None."""
    return next((name for name, weight in module.named_parameters() if not weight.isfinite().all()), None)
