"""The score that a run is judged by is looked for before the first epoch, and the look leaves no trace."""

import os
import random
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import MaxMetric, MeanMetric

from src.fit.rehearsal import Rehearsal, rehearsed
from tests import toy
from tests.ranks import SHARED, ranks


class Counts(lightning.LightningModule):
    """Logs a loss and a best-so-far, counts in a buffer, and draws from every generator while it validates."""

    def __init__(self, name: str = "val_loss"):
        super().__init__()
        self.net, self.name = nn.Linear(4, 1), name
        self.mean, self.best = MeanMetric(), MaxMetric()
        self.register_buffer("validated", torch.zeros(()))

    def training_step(self, batch: Tensor) -> Tensor:
        loss = self.net(batch).square().mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Tensor) -> None:
        self.validated += 1
        self.mean(self.net(batch).mean() + torch.rand(()) + np.random.rand() + random.random())
        self.log(self.name, self.mean)

    def on_validation_epoch_end(self) -> None:
        self.best(self.mean.compute())
        self.log("val_best", self.best.compute())

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Numbers(lightning.LightningDataModule):
    """Forty rows of noise."""

    def setup(self, stage: str) -> None:
        self.rows = torch.randn(40, 4)

    def train_dataloader(self) -> Any:
        return DataLoader(self.rows, batch_size=10, shuffle=True)  # type: ignore[arg-type]

    def val_dataloader(self) -> Any:
        return DataLoader(self.rows, batch_size=10)  # type: ignore[arg-type]


def fit(folder: Path, model: Counts, *callbacks: lightning.Callback) -> lightning.Trainer:
    torch.manual_seed(0)
    trainer = toy.trainer(folder, callbacks=list(callbacks))
    trainer.fit(model, Numbers())
    return trainer


class Looks(lightning.Callback):
    """Rehearses, and keeps what it found and what it changed."""

    names: Any = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        before = {name: value.clone() for name, value in pl_module.state_dict().items()}
        states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[union-attr]
        self.names = rehearsed(trainer, pl_module)
        assert all(torch.equal(value, before[name]) for name, value in pl_module.state_dict().items())
        assert pl_module.mean.update_count == pl_module.best.update_count == 0
        assert torch.equal(states[0], torch.get_rng_state())
        assert states[1] == np.random.get_state()[1].tolist()  # type: ignore[union-attr]
        assert states[2] == random.getstate()
        assert pl_module.trainer is trainer
        assert trainer.datamodule.trainer is trainer


def test_one_batch_tells_what_a_validation_logs_and_nothing_of_it_stays(tmp_path: Path) -> None:
    looks = Looks()
    fit(tmp_path, Counts(), looks)
    assert set(looks.names) == {"val_loss", "val_best"}


def test_a_score_that_was_typed_and_will_not_be_there_ends_the_run_before_its_first_step(tmp_path: Path) -> None:
    steps: list[int] = []
    each = toy.Each(lambda trainer, batch: steps.append(1))
    with pytest.raises(ValueError, match=r"monitor=val_los: Counts does not log it; it logs val_loss.*=val_loss"):
        fit(tmp_path, Counts(), each, Rehearsal(monitor="val_los", is_required=True))
    assert not steps


def test_one_that_training_logs_is_not_refused_and_one_that_nothing_logs_is_after_an_epoch(tmp_path: Path) -> None:
    fit(tmp_path, Counts(), Rehearsal(monitor="train_loss", is_required=True))
    with pytest.raises(ValueError, match="monitor=reward: Counts does not log it"):
        fit(tmp_path, Counts(), Rehearsal(monitor="reward", is_required=True))


@pytest.mark.parametrize("name", ["reward", "val_loss"])
def test_one_that_is_logged_last_of_all_or_not_in_each_epoch_is_not_refused(name: str, tmp_path: Path) -> None:
    class Last(Counts):
        def on_train_epoch_end(self) -> None:
            self.log("reward", 1.0)

    trainer = toy.trainer(tmp_path, max_epochs=3, check_val_every_n_epoch=2)
    trainer.callbacks.append(Rehearsal(monitor=name, is_required=True))
    trainer.fit(Last(), Numbers())
    assert trainer.current_epoch == 3


def test_the_default_that_is_not_logged_is_one_line(tmp_path: Path, caplog: Any) -> None:
    with caplog.at_level("INFO", logger="src.fit.rehearsal"):
        fit(tmp_path, Counts(), Rehearsal(monitor="val/loss", is_required=False))
    assert caplog.text.count("monitor=val/loss: Counts does not log it") == 1
    assert "set monitor=val_loss" in caplog.text


def test_an_early_stop_on_what_is_not_logged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"callback\.early_stopping\.monitor=val/loss"):
        fit(tmp_path, Counts(), EarlyStopping("val/loss"), Rehearsal(monitor="val/loss", is_required=False))


@pytest.mark.parametrize("monitor", ["reward", "val_later"])
def test_an_early_stop_on_what_is_not_logged_yet_waits_and_says_so_in_a_line(
    monitor: str, tmp_path: Path, caplog: Any
) -> None:
    class Later(Counts):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("one of its kind")

        def on_train_epoch_end(self) -> None:
            if self.current_epoch:
                self.log("val_later", 1.0)

    torch.manual_seed(0)
    stop = EarlyStopping(monitor, patience=2)
    judge = Rehearsal(monitor="val_loss", is_required=True)
    trainer = toy.trainer(tmp_path, callbacks=[stop, judge], max_epochs=6)
    with caplog.at_level("INFO", logger="src.fit.rehearsal"):
        trainer.fit(Later(), Numbers())
    assert caplog.text.count(f"callback.early_stopping.monitor={monitor}: Later does not log it") == 1
    assert "it stops nothing until then" in caplog.text
    assert trainer.current_epoch == {"reward": 6, "val_later": 4}[monitor]  # epochs 1, 2, 3 log it


def test_a_module_that_cannot_be_copied_is_no_reason_to_refuse(tmp_path: Path) -> None:
    class Uncopyable(Counts):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("one of its kind")

    assert fit(tmp_path, Uncopyable(), Rehearsal(monitor="val_loss", is_required=True)).global_step == 4


class Shared(Counts):
    """Logs a loss that all processes share, after a metric that gathers what each has seen."""

    def validation_step(self, batch: Tensor) -> None:
        super().validation_step(batch)
        self.log("val_shared", batch.mean(), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        self.log("val_best", self.mean.compute(), sync_dist=True)


def looked(folder: Path, monitor: str, is_required: bool) -> tuple[list[str], int, str]:
    """Return what this of two processes found, how many steps it took, and the error that ended it."""
    looks, model, error = Looks(), Shared(), ""
    callbacks = [looks, Rehearsal(monitor=monitor, is_required=is_required)]
    trainer = toy.trainer(folder, callbacks=callbacks, devices=2, **SHARED)
    try:
        trainer.fit(model, Numbers())
    except ValueError as found:
        error = str(found)
    assert rank_zero_only.rank == int(os.environ["RANK"])
    return sorted(looks.names), trainer.global_step, error


def test_each_of_two_processes_rehearses_without_waiting_for_the_other(tmp_path: Path) -> None:
    names = ["val_best", "val_loss", "val_shared"]
    assert ranks(2, tmp_path / "out", looked, tmp_path, "val_shared", True) == [(names, 4, "")] * 2
    for rank in ranks(2, tmp_path / "out", looked, tmp_path, "val/loss", True):
        assert rank[:2] == (names, 0)
        assert "monitor=val/loss: Shared does not log it" in rank[2]
