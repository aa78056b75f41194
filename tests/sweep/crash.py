"""A callback that ends its process as a crash would, in the midst of training."""

import os

import lightning


class Crash(lightning.Callback):
    """Sends the process the signal `number` after the first training step; none where it is 0."""

    def __init__(self, *, number: int):
        self.number = number

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: object) -> None:
        """Crash."""
        if self.number:
            os.kill(os.getpid(), self.number)
