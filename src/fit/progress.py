"""A progress bar with the metrics on a terminal.

One line per epoch in the log where the output is no terminal.
"""

import logging
import math
import time

import lightning
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

log = logging.getLogger(__name__)


class ProgressBar(lightning.Callback):
    """Shows the epoch's progress and the metrics, redrawn every `refresh_s` seconds at most."""

    changes_no_result = True

    def __init__(self, *, refresh_s: float = 0.2):
        self.refresh_s = refresh_s
        self.console = Console(stderr=True)
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.next_s = 0.0
        self.epoch_start_s = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start a bar where a run is resumed in the midst of an epoch, whose start is past."""
        if trainer.fit_loop.restarted_mid_epoch:
            self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the line of the epoch before, whose scores are complete only now; start a new bar."""
        if self.epoch_start_s:  # 0 in the first epoch of this fit, which may be a later one of the run
            self._line(trainer)
        self.epoch_start_s = time.monotonic()
        if not self.console.is_terminal or not trainer.is_global_zero:
            return
        if self.bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(30),
                TextColumn("{task.fields[scores]}", markup=False),
                TimeRemainingColumn(),
            )
            self.bar = Progress(*columns, console=self.console, auto_refresh=False, transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", scores="")
        batches = trainer.num_training_batches
        total = None if math.isinf(batches) else batches
        self.bar.reset(self.task, total=total, description=f"epoch {trainer.current_epoch + 1}", scores=scores(trainer))

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: object) -> None:
        """Redraw where the last drawing is long ago."""
        if self.bar is None or time.monotonic() < self.next_s:
            return
        self.next_s = time.monotonic() + self.refresh_s
        self.bar.update(self.task, completed=trainer.fit_loop.epoch_loop.batch_progress.current.completed, refresh=True)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the last epoch's line."""
        self._line(trainer)

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Remove the bar."""
        self._stop()

    def on_exception(self, trainer: lightning.Trainer, *args: object) -> None:
        """Remove the bar also after an error, where Lightning calls no teardown."""
        self._stop()

    def _stop(self) -> None:
        self.epoch_start_s = 0.0
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _line(self, trainer: lightning.Trainer) -> None:
        """Write the scores of the epoch that is over; on a terminal the line stays above the bar."""
        if not trainer.is_global_zero:
            return
        line = f"epoch {trainer.current_epoch}  {scores(trainer)}  {time.monotonic() - self.epoch_start_s:.1f} s"
        if self.bar is None:
            log.info("%s", line)
        else:
            self.bar.console.print(line, highlight=False, markup=False)
            logging.getLogger("src.shown").info("%s", line)


def scores(trainer: lightning.Trainer) -> str:
    """The metrics that are known so far, as `name value` pairs in one line."""
    return "  ".join(f"{name} {value:.4f}" for name, value in trainer.callback_metrics.items())
