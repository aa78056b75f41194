"""The learning rates of a fit, before it starts."""

import math

import lightning

from src.callback.range_test import the_optimizer


class Rates(lightning.Callback):
    """Keeps the rate of each parameter group at each step that the fit would take, and ends it before the first.

    `rates` is [step][group]. Raises ValueError for a schedule that follows from scores.
    """

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Step the schedule through the whole fit; the optimizer moves nothing, as there are no gradients yet."""
        optimizer = the_optimizer(trainer, pl_module, for_="figure=schedule")
        steps = trainer.estimated_stepping_batches
        if steps in (-1, math.inf):
            raise ValueError("a schedule needs to know its length: set trainer.max_epochs or trainer.max_steps")
        if any(config.reduce_on_plateau for config in trainer.lr_scheduler_configs):
            raise ValueError(
                "figure=schedule: the rates follow from a score, that only training has: see +callback=lr_monitor"
            )
        batches = min(trainer.num_training_batches, steps * trainer.accumulate_grad_batches)
        per_epoch = -(-int(batches) // trainer.accumulate_grad_batches)
        for step in range(1, int(steps) + 1):
            self.rates.append([float(group["lr"]) for group in optimizer.param_groups])
            optimizer.step()
            for config in trainer.lr_scheduler_configs:
                if step % (config.frequency * (per_epoch if config.interval == "epoch" else 1)) == 0:
                    config.scheduler.step()  # type: ignore[call-arg]
        trainer.should_stop = True
