"""Says in TensorBoard what a run was: its row in the HPARAMS tab, its command and its config as text."""

from pathlib import Path
from typing import Any

import lightning
from torch.utils.tensorboard.summary import hparams

from src.callback.event_file import add_summary, writer
from src.data.read.readable import readable
from src.fit.recorder import scores
from src.fit.stage import is_last
from src.plot.score_names import split_of
from src.run.record import read

UNRELATED = ("data_dir", "sweep", "tags", "run", "callback", "logger", "hydra", "expect", "test")
ORDER = {"test": 0, "val": 1, "": 2, "train": 3}  # TensorBoard shows the first five


class HParams(lightning.Callback):
    """Writes a row of choices and final scores when the run ends, and the text when it starts.

    The choices are model, data, learning rate, seed, and what the command line set: TensorBoard shows five of them
    before one asks for more. `test` says whether the run ends with the test.
    """

    changes_no_result = True

    def __init__(self, folder: str, *, test: bool = True):
        self.folder = Path(folder)
        self.test = test
        self._scores: dict[str, Any] = {}

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write command and config as text."""
        config = self.folder / ".hydra" / "config.yaml"
        events = writer(trainer)
        if events is None or not config.exists():  # a Trainer that no command built
            return
        for tag, text in (("command", read(self.folder)["command"]), ("config", config.read_text())):
            lines = [f"    {readable(line)}" for line in text.split("\n")]
            events.add_text(tag, "\n".join(lines).rstrip(), trainer.global_step)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the row, where no test follows."""
        self._scores = scores(trainer)
        self._write(trainer)

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the row."""
        self._scores |= scores(trainer)
        self._write(trainer)

    def _write(self, trainer: lightning.Trainer) -> None:
        events = writer(trainer)
        if events is None or not is_last(trainer, test=self.test):
            return
        order = sorted(self._scores, key=lambda name: ORDER.get(split_of(name) or "", len(ORDER)))
        for summary in hparams(choices(self.folder, trainer), dict.fromkeys(order, 0)):  # shown: a tag's last scalar
            add_summary(events, summary, step=trainer.global_step)


def choices(folder: Path, trainer: lightning.Trainer) -> dict[str, bool | float | str]:
    """Return what makes runs differ, flat: the same keys in every run, and those that the command line set."""
    run = read(folder)
    found: dict[str, bool | float | str] = {name: run[name] for name in ("model", "data", "seed")}
    for number, optimizer in enumerate(trainer.optimizers, start=1):  # a model of one's own has any number of them
        if "lr" in optimizer.defaults:
            name = "optimizer.lr" if number == 1 else f"optimizer {number}.lr"
            found[name] = float(optimizer.defaults["lr"])
    for override in run["overrides"]:
        key, _, value = override.lstrip("+").partition("=")
        if not key.startswith(("~", *UNRELATED)):
            found[readable(key)] = _parsed(readable(value))
    return found


def _parsed(value: str) -> bool | float | str:
    """Return what an override's value is to TensorBoard, which sorts numbers as numbers."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        return float(value)
    except ValueError:
        return value
