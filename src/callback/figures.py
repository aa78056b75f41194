"""Draws the pictures of a run into its folder when it ends, and shows them in TensorBoard."""

from pathlib import Path

import lightning

from src.callback.draw import draw
from src.callback.event_file import add_png, writer
from src.fit.stage import is_last


class Figures(lightning.Callback):
    """Writes `folder/figures/*.png` out of the files in the run's folder.

    `monitor` and `mode` say which point of the curves is the best, `test` whether the run ends with the test.
    """

    changes_no_result = True

    def __init__(self, folder: str, *, monitor: str, mode: str = "min", test: bool = True):
        self.folder = Path(folder)
        self.monitor = monitor
        self.mode = mode
        self.test = test

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw, where no test follows."""
        self._draw(trainer)

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw."""
        self._draw(trainer)

    def _draw(self, trainer: lightning.Trainer) -> None:
        if not trainer.is_global_zero or not is_last(trainer, test=self.test):
            return
        events = writer(trainer)
        for path in draw(self.folder, monitor=self.monitor, mode=self.mode):
            if events:
                add_png(events, f"figures/{path.stem}", path.read_bytes(), step=trainer.global_step)
