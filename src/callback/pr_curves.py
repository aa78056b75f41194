"""Shows in TensorBoard the precision and recall of each class on the test split, at every threshold."""

import logging
from pathlib import Path

import lightning

from src.callback.event_file import writer
from src.run.prediction_table import read

log = logging.getLogger(__name__)


class PRCurves(lightning.Callback):
    """Writes a curve per class from `folder/test.csv`, which `callback=predictions` keeps; the first `classes` alone.

    Of two classes, the curve is that of the second.
    """

    changes_no_result = True

    def __init__(self, folder: str, *, classes: int = 20):
        self.path = Path(folder) / "test.csv"
        self.classes = classes

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the curves."""
        events = writer(trainer)
        if events is None:
            return
        if not self.path.exists():
            log.info("callback.pr_curves is left out: there is no %s, which callback=predictions keeps", self.path)
            return
        said = read(self.path)
        for number, name in list(enumerate(said.classes))[: self.classes]:
            if len(said.classes) != 2 or number == 1 or said.has_sets:
                is_N = said.target[:, number] if said.has_sets else said.target == number
                events.add_pr_curve(f"test/{name}", is_N, said.probability[:, number], trainer.global_step)
