"""A run that its search finds hopeless ends as an early stop does, and says where."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from src.fit.checkpoint import Checkpoint
from src.fit.pruner import Pruner
from src.run.record import Record
from tests import toy


class Judge:
    """Keeps what it is told; finds a run hopeless from its `at`-th validation on."""

    def __init__(self, at: int = 1000):
        self.at = at
        self.told: list[tuple[int, float]] = []

    def __call__(self, number: int, score: float) -> bool:
        """Judge."""
        self.told.append((number, score))
        return number >= self.at


def fit(folder: Path, judge: Judge, *, checkpoint: Path | None = None, **settings: Any) -> lightning.Trainer:
    torch.manual_seed(0)
    model = toy.multiclass(nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.SGD)
    callbacks = [Pruner(judge, Record(folder), monitor="val/loss"), *settings.pop("callbacks", [])]
    trainer = toy.trainer(folder, callbacks=callbacks, **{"max_epochs": 4} | settings)
    trainer.fit(model, toy.tabular(batch_size=6), ckpt_path=checkpoint, weights_only=True)
    return trainer


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({}, [1, 2, 3, 4]),
        ({"num_sanity_val_steps": 2}, [1, 2, 3, 4]),
        ({"check_val_every_n_epoch": 2}, [2, 4]),
        ({"val_check_interval": 0.5, "max_epochs": 2}, [1, 2, 3, 4]),  # 6 batches
        ({"val_check_interval": 4, "max_epochs": 3}, [1, 2, 4]),  # after batches 4, 10 and 16
    ],
)
def test_each_validation_is_told_once_by_a_number_that_grows(
    settings: dict[str, Any], numbers: list[int], tmp_path: Path
) -> None:
    judge = Judge()
    trainer = fit(tmp_path, judge, **settings)
    assert [number for number, _ in judge.told] == numbers
    assert judge.told[-1][1] == trainer.callback_metrics["val/loss"].item()
    assert not (tmp_path / "run.json").exists()


def test_a_resumed_run_counts_on(tmp_path: Path) -> None:
    whole, first, then = Judge(), Judge(), Judge()
    fit(tmp_path / "whole", whole)
    keep = {"folder": str(tmp_path), "monitor": "val/loss", "mode": "min"}
    fit(tmp_path, first, max_epochs=2, callbacks=[Checkpoint(**keep)])
    fit(tmp_path, then, checkpoint=tmp_path / "last.ckpt", callbacks=[Checkpoint(**keep)])
    assert [number for number, _ in first.told + then.told] == [1, 2, 3, 4]
    assert [score for _, score in first.told + then.told] == [score for _, score in whole.told]


def test_a_hopeless_run_ends_after_that_validation_and_records_it(tmp_path: Path) -> None:
    judge = Judge(at=2)
    trainer = fit(tmp_path, judge)
    assert trainer.current_epoch == 2
    assert Record(tmp_path).fields["pruned"] == {"validations": 2, "metric": "val/loss", "value": judge.told[1][1]}


def test_in_the_midst_of_an_epoch_the_rest_of_it_is_spared(tmp_path: Path) -> None:
    trainer = fit(tmp_path, Judge(at=1), val_check_interval=0.5)
    assert trainer.global_step == 3


def test_a_run_at_its_last_validation_is_done_and_not_pruned(tmp_path: Path) -> None:
    fit(tmp_path, Judge(at=4))
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize(("at", "epochs"), [(2, 2), (1000, 4)])
def test_a_pruned_run_that_is_resumed_stays_ended_unless_it_is_hopeless_no_more(
    at: int, epochs: int, tmp_path: Path
) -> None:
    keep = {"folder": str(tmp_path), "monitor": "val/loss", "mode": "min"}
    fit(tmp_path, Judge(at=2), callbacks=[Checkpoint(**keep)])
    trainer = fit(tmp_path, Judge(at=at), checkpoint=tmp_path / "last.ckpt", callbacks=[Checkpoint(**keep)])
    assert trainer.fit_loop.epoch_progress.current.processed == epochs
    assert ("pruned" in Record(tmp_path).fields) is (epochs == 2)
