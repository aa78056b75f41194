"""Several optimizer steps, each on its own batch, in one call of `training_step`."""

from collections.abc import Callable, Sequence
from typing import Any

import lightning
from torch import Tensor

from src.data.batches import Batch


def take_steps(
    module: lightning.LightningModule,
    batches: Sequence[Batch],
    *,
    step: Callable[[Batch, int], tuple[Tensor, Tensor]],
    after: Callable[[lightning.Trainer], None],
) -> Tensor:
    """Take an optimizer step on each batch, as Lightning does where a call takes one; return the last one's loss.

    `step` gives the loss and the outputs of a batch and its number in the call; `after` is called after each step.
    """
    optimizer: Any = module.optimizers()
    schedule: Any = module.lr_schedulers()
    trainer = module.trainer
    loop: Any = trainer.fit_loop.epoch_loop
    for number, batch in enumerate(batches):
        if number:
            if 0 <= trainer.max_steps <= trainer.global_step:
                break
            loop._batches_that_stepped += 1  # where callbacks log; Lightning counts one
        loss, _ = step(batch, number)
        if getattr(loop, "is_plain", False):  # of src.fit alone
            loop.update(loss)
        else:
            optimizer.zero_grad()
            module.manual_backward(loss)
            optimizer.step()
        if schedule:
            schedule.step()
        after(trainer)
    return loss


def check_same(stored: int, steps_per_call: int) -> None:
    """Raise ValueError where a checkpoint was written with other calls: Lightning would miscount batches and steps."""
    if stored != steps_per_call:
        raise ValueError(
            f"trainer.steps_per_call={steps_per_call}, but the run began with {stored}: "
            f"set trainer.steps_per_call={stored}"
        )
