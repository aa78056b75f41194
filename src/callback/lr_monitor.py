"""Logs the learning rate once per step of the optimizer."""

from typing import Any

import lightning
from lightning.pytorch.callbacks import LearningRateMonitor


class LRMonitor(LearningRateMonitor):
    """Lightning's, which writes the same point for each batch of a step where gradients are accumulated."""

    _logged_step: int | None = None

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        """Log where a step begins."""
        if trainer.global_step != self._logged_step:
            self._logged_step = trainer.global_step
            super().on_train_batch_start(trainer, *args, **kwargs)
