"""src.eval of strangers: what their splits and steps draw at random is what it was in the run."""

import csv
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from src.eval import evaluate
from src.fit.generators import Streams
from src.fit.replay import TEST
from src.run.checkpoint_io import CheckpointIO
from src.run.record import read
from tests import toy
from tests.conftest import Command

SHORT = ("trainer=cpu", "trainer.max_epochs=2", "~callback.figures", "hydra.run.dir=outputs/run")


class Guesses(lightning.LightningModule):
    """Scores numbers that it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)

    def test_step(self, batch: Tensor) -> None:
        self.log("test_loss", torch.rand(()) + batch.sum())


class Rows(lightning.LightningDataModule):
    """Loads rows with noise."""

    def test_dataloader(self) -> Any:
        return DataLoader(range(12), batch_size=4, collate_fn=lambda rows: torch.rand(len(rows)))  # type: ignore[arg-type]


def test_each_checkpoint_is_scored_by_what_the_runs_own_test_drew(tmp_path: Path) -> None:
    model, data, trainer = Guesses(), Rows(), toy.trainer(tmp_path)
    paths = [tmp_path / name for name in ("best.ckpt", "last.ckpt")]
    for path in paths:
        weights = {"state_dict": model.state_dict(), "epoch": 0, "global_step": 3}
        CheckpointIO().save_checkpoint(weights, path)
    with Streams(7, 0, TEST):
        trainer.test(model, data, verbose=False)
    expected = trainer.callback_metrics["test_loss"].item()
    rows = evaluate(model, data, trainer, paths, split="test", seed=7)
    assert [row["test_loss"] for row in rows] == [expected, expected]
    (other,) = evaluate(model, data, trainer, paths[:1], split="test", seed=8)
    assert other["test_loss"] != expected


def test_a_validation_that_draws_its_samples_gets_those_of_the_epoch_again(stranger: Command) -> None:
    run = stranger("train", "model=stream", "data=stream_val", *SHORT).run
    assert stranger("eval", f"run={run}", "split=val", "checkpoint=all").code == 0
    with (run / "eval.csv").open(newline="") as file:
        (last,) = [row for row in csv.DictReader(file) if row["checkpoint"] == "last.ckpt"]
    assert float(last["val loss"]) == read(run)["metrics"]["val loss"]


def test_a_module_that_logs_nothing_is_told_so_and_not_of_missing_samples(stranger: Command) -> None:
    run = stranger("train", "model=silent", "data=flowers", *SHORT).run
    error = stranger("eval", f"run={run}", "split=val").error
    assert error == "error: split=val: Silent logs nothing of it: call self.log in its step"
