"""Several optimizer steps per call: the bits, points and counts of single steps, and words where that cannot be."""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from src.fit.trainer import Trainer
from src.model.multiclass import Multiclass
from src.model.schedule import cosine
from tests import toy
from tests.conftest import Command

# 72 training samples in batches of 10: 8 batches, the last one of 2; calls of 7 leave one, calls of 3 leave two
DATA = {"train": 80, "batch_size": 10, "val_fraction": 0.1}
CALLS = (2, 3, 7, 8, 50)


class Ended:
    """A model after its training, what it logged, and what callbacks saw."""

    def __init__(self, folder: Path, steps_per_call: int, *, data: dict[str, Any] | None = None, **settings: Any):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
        adam = partial(torch.optim.Adam, lr=0.05)
        self.model = Multiclass(
            net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=adam, scheduler=cosine, metrics=["accuracy"]
        )
        self.points, self.calls = toy.Points(), 0
        limits = {"max_epochs": 3, "log_every_n_steps": 3} | settings
        look = toy.Each(self._count)
        self.trainer = toy.trainer(
            folder, logger=self.points, callbacks=[look], steps_per_call=steps_per_call, **limits
        )
        self.trainer.fit(self.model, toy.tabular(**DATA | (data or {})))

    def _count(self, trainer: lightning.Trainer, batch: Any) -> None:
        self.calls += 1

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """Everything that training changed: weights, BatchNorm's statistics, Adam's moments."""
        (optimizer,) = self.trainer.optimizers
        moments = optimizer.state_dict()["state"]
        named = {f"{key}.{name}": value for key, moment in moments.items() for name, value in moment.items()}
        return {**self.model.state_dict(), **named}


def assert_same(ended: Ended, single: Ended) -> None:
    assert ended.state.keys() == single.state.keys()
    for name, value in single.state.items():
        assert torch.equal(ended.state[name], value), name
    assert ended.points.points == single.points.points
    assert ended.trainer.global_step == single.trainer.global_step


@pytest.mark.parametrize("steps_per_call", CALLS)
def test_calls_of_several_steps_end_in_the_bits_and_points_of_single_steps(steps_per_call: int, tmp_path: Path) -> None:
    ended, single = Ended(tmp_path, steps_per_call), Ended(tmp_path, 1)
    assert_same(ended, single)
    assert single.calls == 24
    assert ended.calls == 3 * math.ceil(8 / steps_per_call)
    (rate,) = (group["lr"] for group in ended.trainer.optimizers[0].param_groups)
    assert rate == pytest.approx(0.0, abs=1e-12)  # the cosine's end: the schedule took every step


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16-mixed"},
        {"data": {"in_memory": False, "workers": 0}},
        {"data": {"drop_last": True}},
        {"data": {"passes": 2}},
        {"max_steps": 19},
        {"max_steps": 16},
        {"log_every_n_steps": 0},
    ],
    ids=str,
)
def test_so_do_they_where_the_run_is_another(settings: dict[str, Any], tmp_path: Path) -> None:
    assert_same(Ended(tmp_path, 7, **settings), Ended(tmp_path, 1, **settings))


def test_the_step_at_which_callbacks_log_counts_every_step(tmp_path: Path) -> None:
    ended = Ended(tmp_path, 7)
    assert ended.trainer.fit_loop.epoch_loop._batches_that_stepped == ended.trainer.global_step == 24


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"limit_train_batches": 4}, 6),
        ({"limit_train_batches": 3}, 3),
    ],
)
def test_a_limit_in_batches_is_rounded_up_to_whole_calls(settings: dict[str, Any], steps: int, tmp_path: Path) -> None:
    assert Ended(tmp_path, 3, max_epochs=1, **settings).trainer.global_step == steps


def test_validation_every_few_batches_falls_on_the_ends_of_calls(tmp_path: Path) -> None:
    ended = Ended(tmp_path, 3, max_epochs=1, val_check_interval=4)
    assert [step for step, _ in ended.points.of("val/loss")] == [6]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"gradient_clip_val": 1.0}, "gradient_clip_val"),
        ({"accumulate_grad_batches": 2}, "accumulate_grad_batches"),
        ({"precision": "16-mixed"}, "precision"),
    ],
)
def test_what_needs_single_steps_is_refused_with_the_cure(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=rf"trainer\.{word}=.*set trainer\.steps_per_call=1"):
        Trainer(steps_per_call=2, accelerator="cpu", **settings)


def test_a_call_of_no_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        Trainer(steps_per_call=0)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("trainer.step_per_call=5", "did you mean steps_per_call"),
        ("trainer.steps_per_call=many", "expects int"),
        ("trainer.max_epoch=5", "did you mean max_epochs"),
        ("trainer.max_epochs=many", "expects int or null"),
    ],
)
def test_what_the_trainer_takes_is_checked_as_lightnings_own(argument: str, message: str, train: Command) -> None:
    assert message in train(argument).error


def test_a_longer_run_goes_on_in_calls_to_the_bits_of_single_steps(train: Command) -> None:
    common = ("model=fashion_dnn", "scheduler=none", "callback=[checkpoint]")
    whole = train(*common, "trainer.max_epochs=3").run
    short = train(*common, "trainer.max_epochs=2", "trainer.steps_per_call=7").run
    other = train(f"run={short}", "trainer.max_epochs=3", "trainer.steps_per_call=1")
    assert "set trainer.steps_per_call=7" in other.err
    assert train(f"run={short}", "trainer.max_epochs=3", "trainer.steps_per_call=7").code == 0
    ours, theirs = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (short, whole))
    assert all(torch.equal(ours["state_dict"][name], value) for name, value in theirs["state_dict"].items())
    assert ours["global_step"] == theirs["global_step"]
    records = [json.loads((run / "run.json").read_text()) for run in (short, whole)]
    assert records[0]["metrics"]["train/loss"] == records[1]["metrics"]["train/loss"]
    assert records[0]["steps"] == records[1]["steps"]


def test_several_steps_per_call_in_several_processes_are_refused_before_anything_starts(tmp_path):
    with pytest.raises(ValueError, match=r"trainer.steps_per_call=3 with 2 processes.*set trainer.steps_per_call=1"):
        toy.trainer(tmp_path, steps_per_call=3, devices=2, strategy="ddp")
