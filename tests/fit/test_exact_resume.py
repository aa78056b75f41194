"""A fit that is cut off after any batch and resumed ends as the fit that was not, bit for bit."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, LearningRateMonitor
from torch import nn

from src.callback.lookahead import Lookahead
from src.data.module import Data
from src.fit.checkpoint import Checkpoint
from src.fit.csv_logger import CSV
from src.fit.recorder import Recorder
from src.model import schedule
from src.net.unet import UNet
from src.run.checkpoint_io import CheckpointIO, load
from src.run.interrupt import Interrupted
from src.run.record import Record, read
from src.run.resume import cut_back, newest_checkpoint
from src.task.segmentation import PixelCrossEntropy
from tests import toy

EPOCHS = 3  # of 7 batches, the last of which is smaller


class CutOff(Exception):  # noqa: N818 - what it is, not an error of ours
    """The process is gone."""


def fit(
    folder: Path,
    *,
    cut_off: int | None = None,
    early_stop: bool = False,
    ema: bool = False,
    lookahead: bool = False,
    task: str = "multiclass",
    **settings: Any,
) -> bool:
    """Train in `folder`, on from its last checkpoint; return whether it came to its end.

    `cut_off` is the number of batches of this start after which nothing more happens.
    """
    folder.mkdir(exist_ok=True)
    checkpoint, _, rows = newest_checkpoint(folder)
    cut_back(folder, rows)
    seen, asks = 0, settings.pop("asks", False)

    def look(trainer: lightning.Trainer, batch: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == cut_off and asks:
            signal.raise_signal(signal.SIGTERM)
        elif seen == cut_off:
            raise CutOff

    every = settings.pop("every_n_steps", 1)
    kept = Checkpoint(str(folder / "checkpoints"), monitor="val/loss", every_n_steps=every)
    callbacks: list[lightning.Callback] = [kept, toy.Each(look), LearningRateMonitor("step"), Recorder(Record(folder))]
    callbacks += [EarlyStopping("val/loss", patience=2, min_delta=0.05)] * early_stop
    callbacks += [EMAWeightAveraging(decay=0.9)] * ema
    callbacks += [Lookahead(every_n_steps=3, decay=0.9)] * lookahead
    defaults = {"max_epochs": EPOCHS, "log_every_n_steps": 2, "plugins": [CheckpointIO()], "logger": CSV(str(folder))}
    torch.manual_seed(99 if checkpoint else 0)  # what is not resumed would be other numbers
    net, loss, data, metrics = SUBJECTS[task]()
    model = toy.supervised(
        task,
        net,
        outputs=3,
        loss=loss,
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.02, fused=True),
        scheduler=schedule.onecycle,
        metrics=metrics,
    )
    trainer = toy.trainer(folder, callbacks=callbacks, **defaults | settings)
    try:
        trainer.fit(model, data, ckpt_path=checkpoint)
    except (CutOff, Interrupted):
        return False
    return True


def of_rows() -> tuple[nn.Module, nn.Module, Data, list[str]]:
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    data = toy.tabular(train=48, batch_size=6, val_fraction=0.15)
    return net, nn.CrossEntropyLoss(), data, ["accuracy", "calibration_error"]


def of_labels() -> tuple[nn.Module, nn.Module, Data, list[str]]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    data = toy.pictured("multilabel", train=48, batch_size=6, val_fraction=0.15, horizontal_flip=True)
    return net, nn.BCEWithLogitsLoss(), data, ["f1", "exact_match", "average_precision"]


def of_masks() -> tuple[nn.Module, nn.Module, Data, list[str]]:
    data = toy.pictured("segmentation", train=48, batch_size=6, val_fraction=0.15, horizontal_flip=True, crop_padding=1)
    return UNet((1, 4, 6), 3, width=2, depth=1), PixelCrossEntropy(), data, ["miou", "dice", "accuracy"]


SUBJECTS = {"multiclass": of_rows, "multilabel": of_labels, "segmentation": of_masks}


def end(folder: Path) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What a fit leaves: its last checkpoint, its curves, and its record."""
    last = load(folder / "checkpoints" / "last.ckpt")
    del last["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]  # a count that nothing reads
    record = {name: read(folder)[name] for name in ("epochs", "steps", "metrics")}
    return last, (folder / "metrics.csv").read_text(), record


def assert_equal(ours: Any, theirs: Any, where: str = "") -> None:
    """Containers are equal, and every tensor in them bit for bit."""
    assert type(ours) is type(theirs), where
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for name in theirs:
            assert_equal(ours[name], theirs[name], f"{where}.{name}")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_equal(mine, other, f"{where}[{index}]")
    elif isinstance(theirs, torch.Tensor):
        assert torch.equal(ours, theirs), where
    else:
        assert ours == theirs, where


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "rare checkpoints": {"every_n_steps": 3},
    "accumulation": {"accumulate_grad_batches": 2},
    "accumulation that leaves a rest": {"accumulate_grad_batches": 3, "every_n_steps": 2},
    "validation within the epoch": {"val_check_interval": 2},
    "validation across epochs": {"val_check_interval": 3, "check_val_every_n_epoch": None},
    "validation every second epoch": {"check_val_every_n_epoch": 2},
    "validation within accumulation": {"val_check_interval": 2, "accumulate_grad_batches": 3},
    "steps": {"max_steps": 17, "max_epochs": -1},
    "steps and validation": {"max_steps": 17, "max_epochs": -1, "val_check_interval": 2},
    "a part of each epoch": {"limit_train_batches": 4},
    "early stopping": {"early_stop": True, "val_check_interval": 3, "max_epochs": 10},
    "early stopping after epochs": {"early_stop": True, "max_epochs": 10},
    "a moving average": {"ema": True},
    "lookahead": {"lookahead": True},
    "clipping": {"gradient_clip_val": 0.1},
    "rare points": {"log_every_n_steps": 5},
    "labels": {"task": "multilabel", "log_every_n_steps": 5},
    "masks": {"task": "segmentation", "log_every_n_steps": 5},
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a case's fit that nothing cuts off."""
    folders: dict[str, Path] = {}

    def folder(case: str) -> Path:
        if case not in folders:
            folders[case] = tmp_path_factory.mktemp("whole")
            assert fit(folders[case], **CASES[case])
        return folders[case]

    return folder


def check(case: str, cut_offs: list[int], folder: Path, whole: Path) -> None:
    for cut_off in cut_offs:
        fit(folder, cut_off=cut_off, **CASES[case])
    assert fit(folder, **CASES[case])
    for ours, theirs in zip(end(folder), end(whole), strict=True):
        assert_equal(ours, theirs)


@pytest.mark.parametrize("case", CASES)
def test_a_fit_cut_off_and_resumed_again_and_again_is_the_one_that_was_not(case, uninterrupted, tmp_path):
    check(case, [2, 3, 4, 1, 6, 3], tmp_path, uninterrupted(case))


@pytest.mark.parametrize("case", ["plain", "steps", "steps and validation"])
def test_a_fit_cut_off_in_the_first_batches_of_an_epoch_begins_that_epoch_again(case, uninterrupted, tmp_path):
    for cut_off in (8, 9):
        assert not fit(tmp_path, cut_off=cut_off, **CASES[case] | {"every_n_steps": None})
    assert fit(tmp_path, **CASES[case])
    for ours, theirs in zip(end(tmp_path), end(uninterrupted(case)), strict=True):
        assert_equal(ours, theirs)


@pytest.mark.parametrize("case", ["accumulation", "accumulation that leaves a rest", "validation within the epoch"])
def test_a_fit_that_a_signal_ends_after_any_batch_loses_no_step(case, uninterrupted, tmp_path):
    rare = CASES[case] | {"every_n_steps": 1000, "asks": True}
    for cut_off in (1, 2, 3, 4, 5):
        assert not fit(tmp_path, cut_off=cut_off, **rare)
    assert fit(tmp_path, **CASES[case])
    for ours, theirs in zip(end(tmp_path), end(uninterrupted(case)), strict=True):
        assert_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_fit_cut_off_after_any_batch_is_the_one_that_was_not(case, uninterrupted, tmp_path):
    for cut_off in range(1, 24):
        check(case, [cut_off], tmp_path / str(cut_off), uninterrupted(case))
        shutil.rmtree(tmp_path / str(cut_off))
