"""A callback that makes one rank fail, die or hang, as a user's code or a machine may."""

import os
import signal
import time

import lightning


class Trouble(lightning.Callback):
    """Before step `step`, `rank` raises ValueError, sleeps, or gets the signal that `what` names."""

    def __init__(self, *, what: str, step: int, rank: int = 1):
        self.what = what
        self.step = step
        self.rank = rank

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: object) -> None:
        """Make trouble."""
        if (trainer.global_step, trainer.global_rank) != (self.step, self.rank):
            return
        if self.what == "error":
            raise ValueError(f"no step {self.step} today")
        if self.what == "sleep":
            time.sleep(600)
        os.kill(os.getpid(), signal.Signals[self.what])
