"""A run on several processes is the run on one: its curves, scores, files, ends and errors."""

import math
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging
from torch import Tensor, nn

from src.callback.predictions import Predictions
from src.data.module import Data
from src.data.read.digits import digits
from src.fit.checkpoint import Checkpoint
from src.fit.csv_logger import CSV
from src.fit.guard import DivergenceError, Guard
from src.fit.recorder import Recorder
from src.model import schedule
from src.run.checkpoint_io import CheckpointIO, load
from src.run.interrupt import Interrupted
from src.run.prediction_table import read
from src.run.record import Record
from src.run.record import read as read_record
from src.run.resume import cut_back, newest_checkpoint
from tests import toy
from tests.ranks import SHARED, ranks

pytestmark = pytest.mark.slow

DIGITS: dict[str, Any] = {
    "task": "multiclass",
    "labels": [str(number) for number in range(10)],
    "classes": [str(number) for number in range(10)],
    "image_size": 16,
    "shape": [1, 16, 16],
    "mean": [0.3054],
    "std": [0.3753],
    "crop_padding": 1,
    "batch_size": 100,  # 1,294 training samples: the last batch has 94
}
TABLE: dict[str, Any] = {"train": 80, "test": 13, "batch_size": 10, "val_fraction": 0.1}  # 7 batches of 10, one of 2
SGD: Any = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


def net_for(data: Data) -> nn.Module:
    inputs = math.prod(data.shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, len(data.classes or ())))


class Fit:
    """What a fit and a test of it left in one process."""

    def __init__(
        self,
        folder: Path,
        number: int,
        data: Data,
        *,
        model: dict[str, Any] | None = None,
        callbacks: tuple[lightning.Callback, ...] = (),
        checkpoint: Path | None = None,
        tests: bool = True,
        **settings: Any,
    ):
        torch.manual_seed(0)
        shared = SHARED | {"devices": number} if number > 1 else {}
        points = toy.Points()
        self.model = toy.multiclass(
            **{"net": net_for(data), "outputs": len(data.classes or ()), "loss": nn.CrossEntropyLoss()}
            | {"optimizer": SGD, "scheduler": schedule.cosine, "metrics": ["accuracy", "f1", "calibration_error"]}
            | (model or {})
        )
        given = {"max_epochs": 2, "log_every_n_steps": 3, "logger": points, "plugins": [CheckpointIO()]}
        trainer = toy.trainer(folder, callbacks=list(callbacks), **given | shared | settings)
        trainer.fit(self.model, data, ckpt_path=checkpoint, weights_only=True)
        if tests:
            trainer.test(self.model, data, verbose=False)
        self.steps, self.points = trainer.global_step, points.points
        self.scores = {name: value.item() for name, value in trainer.callback_metrics.items()}

    @property
    def left(self) -> tuple[list[Any], dict[str, float], dict[str, Tensor], int]:
        """Its points, its last scores, its weights, and the number of its steps."""
        return self.points, self.scores, self.model.state_dict(), self.steps


def left(*arguments: Any, **settings: Any) -> Any:
    return Fit(*arguments, **settings).left


def assert_close(ours: Any, theirs: Any) -> None:
    """Two runs logged the same points, within 1e-5, and ended in the same weights and scores."""
    (points, scores, weights, steps), (their_points, their_scores, their_weights, their_steps) = ours, theirs
    assert steps == their_steps
    assert [(step, list(values)) for step, values in points] == [(step, list(values)) for step, values in their_points]
    for (step, values), (_, their_values) in zip(points, their_points, strict=True):
        assert values == pytest.approx(their_values, abs=1e-5), step
    assert scores == pytest.approx(their_scores, abs=1e-5)
    torch.testing.assert_close(weights, their_weights, rtol=1e-4, atol=1e-5)


def table(**settings: Any) -> Data:
    return toy.tabular(**TABLE | settings)


CASES: dict[str, dict[str, Any]] = {
    "digits": {"data": lambda: digits(**DIGITS)},
    "digits from workers": {"data": lambda: digits(**DIGITS, in_memory=False, workers=1)},
    "digits, mixed": {"data": lambda: digits(**DIGITS, mixup=0.3, cutmix=1.0)},
    "adam": {"data": table, "model": {"optimizer": partial(torch.optim.Adam, lr=0.01)}},
    "class weights": {"data": table, "model": {"class_weights": [1.0, 2.0, 5.0]}},
    "balanced, mixed": {"data": partial(table, mixup=0.3), "model": {"class_weights": "balanced"}},
    "accumulation": {"data": table, "accumulate_grad_batches": 3},
    "validation within the epoch": {"data": table, "val_check_interval": 3, "num_sanity_val_steps": 2},
    "limits": {
        "data": partial(table, val_fraction=0.3),
        "limit_train_batches": 5,
        "limit_val_batches": 0.5,
        "limit_test_batches": 1,
    },
    "passes": {"data": partial(table, passes=2, drop_last=True)},
    "one sample left, and one to validate": {"data": partial(table, train=82, val_fraction=0.0123)},
}


@pytest.mark.parametrize("case", CASES)
def test_curves_scores_and_weights_are_those_of_one_process(case, tmp_path):
    settings = dict(CASES[case])
    data = settings.pop("data")
    alone = left(tmp_path, 1, data(), **settings)
    number = 2 if case.startswith("digits") else 3
    for shared in ranks(number, tmp_path, lambda: left(tmp_path, number, data(), **settings)):
        assert_close(shared, alone)


def test_three_processes_count_10_007_test_samples_as_one_does(tmp_path):
    class Counts(lightning.Callback):
        def on_test_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
            """Sum what each process was given to score."""
            self.samples = module.test_meter.samples()

    def fit(number: int) -> tuple[int, dict[str, float]]:
        counts = Counts()
        data = toy.tabular(train=60, test=10_007, batch_size=100)
        return counts_of(counts, Fit(tmp_path, number, data, callbacks=(counts,), max_epochs=1))

    def counts_of(counts: Counts, ended: Fit) -> tuple[int, dict[str, float]]:
        return counts.samples, ended.scores

    alone = fit(1)
    assert alone[0] == 10_007
    for samples, scores in ranks(3, tmp_path, fit, 3):
        assert samples == 10_007
        assert scores["test/accuracy"] == alone[1]["test/accuracy"]
        assert scores == pytest.approx(alone[1], abs=1e-6)


def kept(folder: Path) -> list[lightning.Callback]:
    return [Checkpoint(str(folder / "checkpoints"), monitor="val/loss", every_n_steps=1)]


class CutOff(Exception):  # noqa: N818 - what it is, not an error of ours
    """The processes are gone."""


class Ends(lightning.Callback):
    """Ends the process after so many of its batches: by an error, or by a signal to process 1 alone."""

    def __init__(self, batches: int, *, asks: bool = False):
        self.left, self.asks = batches, asks

    def on_train_batch_end(self, trainer: lightning.Trainer, *arguments: Any) -> None:
        """Count."""
        self.left -= 1
        if not self.left and not self.asks:
            raise CutOff
        if not self.left and trainer.global_rank == 1:
            signal.raise_signal(signal.SIGTERM)
        if self.asks:
            time.sleep(0.3)  # so that a second is a few steps


def resumable(folder: Path, number: int, ends: Ends | None = None) -> str | dict[str, Any]:
    """Train in `folder`, on from its last checkpoint; return its end."""
    checkpoint, _, rows = newest_checkpoint(folder)
    torch.manual_seed(99 if checkpoint else 0)
    if int(torch.distributed.is_initialized()) == 0 and not checkpoint:
        folder.mkdir(exist_ok=True)
    cut_back(folder, rows)
    callbacks = [*kept(folder), *([ends] if ends else []), EMAWeightAveraging(decay=0.9)]
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    settings: dict[str, Any] = {"callbacks": tuple(callbacks), "checkpoint": checkpoint, "tests": False}
    try:
        Fit(folder, number, table(), model={"net": net}, logger=CSV(str(folder)), **settings)
    except (CutOff, Interrupted) as end:
        return type(end).__name__ + str(getattr(end, "code", ""))
    return "done"


def result(folder: Path) -> tuple[dict[str, Any], str]:
    last = load(folder / "checkpoints" / "last.ckpt")
    return last, (folder / "metrics.csv").read_text()


def test_a_fit_resumed_within_an_epoch_is_the_one_that_was_not_cut_off(tmp_path):
    for name, cuts in (("whole", [None]), ("cut", [3, 7, 2, None])):
        (tmp_path / name).mkdir()
        for cut in cuts:
            ends = ranks(2, tmp_path / "out", resumable, tmp_path / name, 2, cut and Ends(cut))
            assert ends == ["CutOff" if cut else "done"] * 2
    (whole, curves), (last, their_curves) = result(tmp_path / "whole"), result(tmp_path / "cut")
    assert curves == their_curves
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, last["state_dict"][name]), name
    for name, value in whole["scores"].items():
        assert torch.equal(value, last["scores"][name]), name


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2), (3, 2)])
def test_a_fit_goes_on_within_an_epoch_on_another_number_of_processes(first, then, tmp_path):
    def fit(folder: Path, number: int, cut: int | None = None, checkpoint: Path | None = None) -> Any:
        callbacks = (*kept(folder), *([Ends(cut)] if cut else []))
        try:
            return left(folder, number, table(), callbacks=callbacks, checkpoint=checkpoint, log_every_n_steps=50)
        except CutOff:
            return None

    def run(number: int, *arguments: Any) -> Any:
        if number == 1:
            return fit(tmp_path / "cut", 1, *arguments)
        return ranks(number, tmp_path / "out", fit, tmp_path / "cut", number, *arguments)[0]

    points, scores, weights, _ = fit(tmp_path / "whole", 1)
    assert run(first, 3) is None
    checkpoint = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    got_points, got_scores, got_weights, _ = run(then, None, checkpoint)
    assert got_scores == pytest.approx(scores, abs=1e-5)
    assert got_points[0][1] == pytest.approx(points[0][1], abs=1e-5)  # of the epoch that was cut in two
    torch.testing.assert_close(got_weights, weights, rtol=1e-4, atol=1e-5)


def test_a_signal_to_one_process_ends_all_at_the_same_step_with_a_checkpoint(tmp_path):
    ends = ranks(2, tmp_path, resumable, tmp_path, 2, Ends(3, asks=True))
    assert ends == ["Interrupted143", "Interrupted143"]
    step = load(tmp_path / "checkpoints" / "last.ckpt")["global_step"]
    assert 3 <= step < 16
    assert ranks(2, tmp_path, resumable, tmp_path, 2) == ["done", "done"]


class Spoils(nn.Module):
    """Hands on what it is given; NaN in process 1 from its call number `call` on, while training."""

    def __init__(self, call: int):
        super().__init__()
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        """Return x, or NaN."""
        self.call -= self.training
        bad = self.training and self.call < 0 and torch.distributed.get_rank() == 1
        return x * math.nan if bad else x


def test_a_loss_that_is_not_finite_in_one_process_stops_all_before_the_update(tmp_path):
    def fit() -> tuple[str, int, dict[str, Tensor]]:
        net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), Spoils(5), nn.Linear(8, 3))
        caught: dict[str, Any] = {}

        class Weights(lightning.Callback):
            def on_train_batch_start(self, trainer: lightning.Trainer, module: Any, *arguments: Any) -> None:
                """Copy."""
                caught["before"] = {name: value.clone() for name, value in module.state_dict().items()}
                caught["module"] = module

        with pytest.raises(DivergenceError) as raised:
            Fit(tmp_path, 2, table(), model={"net": net}, callbacks=(Weights(), Guard(), *kept(tmp_path)))
        assert all(torch.equal(value, caught["before"][name]) for name, value in caught["module"].state_dict().items())
        return str(raised.value)

    first, second = ranks(2, tmp_path, fit)
    assert first == second
    assert "not finite at step 6, batch 5 of epoch 0" in first
    assert "process 1: net.2 (Spoils) is the first layer" in first
    assert load(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 5


def test_predictions_of_all_processes_are_one_file_in_the_order_of_the_dataset(tmp_path):
    def fit(folder: Path, number: int) -> None:
        data = toy.tabular(**TABLE | {"test": 131}, outputs=2, features=4)  # 14 batches, the last of one sample
        Fit(folder, number, data, callbacks=(Predictions(str(folder / "predictions")), *kept(folder)))

    fit(tmp_path / "alone", 1)
    ranks(3, tmp_path / "out", fit, tmp_path / "shared", 3)
    for split, samples in (("train", 72), ("val", 8), ("test", 131)):
        shared, alone = (read(tmp_path / name / "predictions" / f"{split}.csv") for name in ("shared", "alone"))
        assert len(shared.index) == samples
        np.testing.assert_array_equal(shared.index, alone.index)
        np.testing.assert_array_equal(shared.target, alone.target)
        np.testing.assert_allclose(shared.probability, alone.probability, atol=1e-5)


def test_the_work_is_stated_recorded_and_ended_for_all_at_once(tmp_path, caplog):
    def fit(number: int) -> tuple[int, list[str]]:
        caplog.set_level("INFO")
        stops = EarlyStopping("val/loss", patience=1, min_delta=10.0)
        callbacks = (Recorder(Record(tmp_path)), stops, *kept(tmp_path))
        model = {"scale_lr": "linear", "optimizer": partial(torch.optim.SGD, lr=0.1)}
        ended = Fit(tmp_path, number, table(), model=model, callbacks=callbacks, max_epochs=9, tests=False)
        return ended.steps, [record.message for record in caplog.records if record.name == "src.fit.recorder"]

    (steps, said), (other_steps, others) = ranks(2, tmp_path, fit, 2)
    assert steps == other_steps == 16
    assert others == []
    assert said == [
        "2 processes: 5 samples of each batch of 10, effective batch 10; learning rate 0.2 (optimizer.scale_lr=linear)"
    ]
    record = read_record(tmp_path)
    assert record["processes"] == {"number": 2, "lr_factor": 2.0, "effective_batch": 10}
    assert record["samples_per_second"] > 0


def test_a_rate_that_is_scaled_is_a_rate_that_is_higher(tmp_path):
    def fit(number: int, lr: float, scale_lr: str = "none") -> Any:
        model = {"optimizer": partial(torch.optim.SGD, lr=lr), "scheduler": schedule.onecycle, "scale_lr": scale_lr}
        return left(tmp_path, number, table(), model=model)

    for scale_lr, factor in (("linear", 2), ("sqrt", math.sqrt(2))):
        assert_close(ranks(2, tmp_path, fit, 2, 0.05, scale_lr)[0], fit(1, factor * 0.05))


def test_each_process_drops_units_of_its_own(tmp_path):
    def drawn() -> list[float]:
        found: list[float] = []
        look: Callable[..., None] = lambda trainer, batch: found.append(torch.rand(1).item())  # noqa: E731
        Fit(tmp_path, 2, table(), callbacks=(toy.Each(look),), max_epochs=1, tests=False)
        return found

    first, second = ranks(2, tmp_path, drawn)
    assert len(set(first) | set(second)) == 16


def test_every_process_tests_the_weights_of_the_first(tmp_path):
    def test(number: int) -> dict[str, float]:
        torch.manual_seed(0 if number == 1 else torch.distributed.is_initialized())
        model = Fit(tmp_path, number, table(), max_epochs=1, tests=False).model
        if number == 1 or torch.distributed.get_rank() == 0:
            nn.init.constant_(model.net[-1].bias, 3.0)  # what src.train loads in the first process alone
            nn.init.zeros_(model.net[-1].weight)
        shared = SHARED | {"devices": number} if number > 1 else {}
        trainer = toy.trainer(tmp_path, **shared)
        (scores,) = trainer.test(model, table(), verbose=False)
        return dict(scores)

    assert ranks(2, tmp_path, test, 2)[0] == pytest.approx(test(1), abs=1e-6)
