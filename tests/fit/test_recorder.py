"""run.json says after each epoch how far the run came, with counts that can be checked by hand."""

import json
import time
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader
from torch.utils.data.distributed import DistributedSampler

from src.fit.recorder import Recorder, padded
from src.run.record import Record
from tests import toy


class Reads(lightning.Callback):
    """Reads run.json at the start of each epoch."""

    def __init__(self, path: Path):
        self.path = path
        self.epochs: list[int | None] = []

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Read."""
        self.epochs.append(json.loads(self.path.read_text()).get("epochs"))


def fit(folder: Path, *, data: dict[str, Any] | None = None, **settings: Any) -> tuple[Recorder, lightning.Trainer]:
    net = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    net[0].weight.requires_grad_(False)
    model = toy.multiclass(net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.SGD, metrics=["accuracy"])
    recorder = Recorder(Record(folder))
    callbacks = [recorder, *settings.pop("callbacks", [])]
    trainer = toy.trainer(folder, callbacks=callbacks, **{"max_epochs": 3} | settings)
    trainer.fit(model, toy.tabular(**{"batch_size": 7} | (data or {})))
    return recorder, trainer


def test_epochs_steps_parameters_and_scores_are_those_of_the_fit(tmp_path):
    _, trainer = fit(tmp_path)
    fields = json.loads((tmp_path / "run.json").read_text())
    assert fields["epochs"] == 3
    assert fields["steps"] == 3 * 6  # 36 samples in batches of 7
    assert fields["parameters"] == {"total": 4 * 8 + 8 + 8 * 3 + 3, "trainable": 8 + 8 * 3 + 3}
    assert fields["metrics"] == {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert set(fields["metrics"]) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}


@pytest.mark.parametrize(
    ("data", "settings", "samples"),
    [
        ({}, {}, 36),
        ({"drop_last": True}, {}, 35),
        ({"passes": 2}, {}, 72),
        ({}, {"limit_train_batches": 2}, 14),
        ({}, {"val_check_interval": 2}, 36),
    ],
)
def test_samples_are_counted_once_for_the_speed(tmp_path, data, settings, samples):
    recorder, _ = fit(tmp_path, data=data, **settings)
    assert recorder.samples == 3 * samples
    speed = json.loads((tmp_path / "run.json").read_text())["samples_per_second"]
    assert speed == pytest.approx(recorder.samples / recorder.seconds, abs=0.06)


@pytest.mark.parametrize("settings", [{}, {"num_sanity_val_steps": 2}, {"val_check_interval": 2}])
def test_the_seconds_of_training_are_no_more_than_those_of_the_fit(tmp_path, settings):
    start_s = time.monotonic()
    recorder, _ = fit(tmp_path, **settings)
    assert 0 < recorder.seconds < time.monotonic() - start_s


def test_a_killed_run_leaves_the_epochs_that_it_finished(tmp_path):
    reads = Reads(tmp_path / "run.json")
    fit(tmp_path, callbacks=[reads])
    assert reads.epochs == [None, 1, 2]


def test_rows_that_are_added_to_share_a_loader_are_counted_whichever_sampler_adds_them():
    rows = list(range(7))
    sampler, other = (DistributedSampler(rows, num_replicas=3, rank=0) for _ in range(2))
    own = DataLoader(rows, batch_size=2, sampler=sampler)
    batches = DataLoader(rows, batch_sampler=BatchSampler(other, batch_size=2, drop_last=False))
    assert padded(own) == padded(batches) == 2
    assert padded([own, {"a": batches, "b": DataLoader(rows)}]) == 4
    assert padded(DataLoader(rows)) == 0
