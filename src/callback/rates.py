"""The learning rates of a fit, before it starts."""

import math

import lightning


class Rates(lightning.Callback):
    """Keeps the rate of each parameter group at each step that the fit would take, and ends it before the first.

    `rates` is [step][group]. For schedules that step with the optimizer.
    """

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Step the schedule through the whole fit; the optimizer moves nothing, as there are no gradients yet."""
        (optimizer,) = trainer.optimizers
        steps = trainer.estimated_stepping_batches
        if steps in (-1, math.inf):
            raise ValueError("a schedule needs to know its length: set trainer.max_epochs or trainer.max_steps")
        for _ in range(int(steps)):
            self.rates.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            for config in trainer.lr_scheduler_configs:
                config.scheduler.step()  # type: ignore[call-arg]
        trainer.should_stop = True
