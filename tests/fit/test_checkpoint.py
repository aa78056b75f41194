"""best.ckpt is the best epoch by monitor and mode, last.ckpt the last, previous.ckpt the one before it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from src.fit.checkpoint import Checkpoint
from src.model.supervised import Supervised
from src.run.checkpoint_io import CheckpointIO, load, load_weights
from tests import toy

NAN = float("nan")


class Scripted(lightning.LightningModule):
    """Logs the next of `values` as val/score in each validation; its weight is the number of steps done."""

    def __init__(self, values: Iterable[float]):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.values = iter(values)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        """One step adds 1 to the weight."""
        return -self.weight

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing to score."""

    def on_validation_epoch_end(self) -> None:
        """Log the next value."""
        if not self.trainer.sanity_checking:
            self.log("val/score", next(self.values))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=1.0)


def fit(folder: Path, values: list[float], *, mode: str = "min", resume: bool = False, **settings: Any) -> Checkpoint:
    """Train one step per epoch, as many epochs as there are values."""
    kept = Checkpoint(str(folder), monitor="val/score", mode=mode)
    defaults = {"max_epochs": len(values), "plugins": [CheckpointIO()], "callbacks": [kept]}
    trainer = toy.trainer(folder, **defaults | settings)
    data = toy.tabular(train=4, batch_size=4, val_fraction=0.25)
    trainer.fit(Scripted(values), data, ckpt_path=folder / "last.ckpt" if resume else None)
    return kept


def epoch(path: Path) -> int:
    """The epoch (from 0) of a checkpoint, which its weight must confirm."""
    checkpoint = load(path)
    assert checkpoint["state_dict"]["weight"].item() == checkpoint["epoch"] + 1
    return checkpoint["epoch"]


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([3.0, 1.0, 2.0], "min", 1),
        ([3.0, 1.0, 2.0], "max", 0),
        ([1.0, 2.0, 3.0], "min", 0),
        ([1.0, 2.0, 3.0], "max", 2),
        ([2.0, 1.0, 1.0], "min", 1),  # as good is not better
        ([-1.0, -3.0, -2.0], "min", 1),
        ([-1.0, 0.0, -2.0], "max", 1),
        ([NAN, 5.0, 6.0], "min", 1),
        ([NAN, 5.0, 6.0], "max", 2),
        ([5.0, NAN, 6.0], "min", 0),
        ([5.0, NAN, NAN], "max", 0),
    ],
)
def test_best_is_the_best_by_monitor_and_mode_and_last_the_last_epochs(tmp_path, values, mode, best):
    kept = fit(tmp_path, values, mode=mode)
    assert epoch(tmp_path / "best.ckpt") == best
    assert epoch(tmp_path / "last.ckpt") == 2
    assert epoch(tmp_path / "previous.ckpt") == 1
    assert (kept.best_epoch, kept.best_value) == (best, values[best])
    assert kept.best_path == tmp_path / "best.ckpt"


def test_nan_alone_is_no_best(tmp_path):
    kept = fit(tmp_path, [NAN, NAN])
    assert kept.best_value is None
    assert not (tmp_path / "best.ckpt").exists()
    assert epoch(tmp_path / "last.ckpt") == 1


def test_the_sanity_check_and_validating_later_keep_nothing(tmp_path):
    kept = fit(tmp_path, [3.0, 2.0], num_sanity_val_steps=1)
    before = (tmp_path / "best.ckpt").read_bytes()
    assert kept.best_value == 2.0
    toy.trainer(tmp_path, plugins=[CheckpointIO()], callbacks=[kept]).validate(
        Scripted([1.0]), toy.tabular(train=4, batch_size=4, val_fraction=0.25), verbose=False
    )
    assert kept.best_value == 2.0
    assert (tmp_path / "best.ckpt").read_bytes() == before


def test_a_run_that_goes_on_does_not_forget_its_best(tmp_path):
    fit(tmp_path, [3.0, 1.0])
    kept = fit(tmp_path, [2.0, 1.5], resume=True, max_epochs=4)
    assert (kept.best_value, kept.best_epoch) == (1.0, 1)
    assert epoch(tmp_path / "best.ckpt") == 1
    assert epoch(tmp_path / "last.ckpt") == 3
    again = fit(tmp_path, [0.5], resume=True, max_epochs=5)
    assert (again.best_value, again.best_epoch) == (0.5, 4)


def supervised() -> Supervised:
    torch.manual_seed(0)
    return toy.multiclass(
        nn.Linear(4, 3),
        outputs=3,
        loss=nn.CrossEntropyLoss(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    )


def test_train_loss_without_val_is_monitored_too(tmp_path):
    points = toy.Points()
    kept = Checkpoint(str(tmp_path), monitor="train/loss")
    trainer = toy.trainer(
        tmp_path, max_epochs=3, plugins=[CheckpointIO()], callbacks=[kept], logger=points, log_every_n_steps=1000
    )
    trainer.fit(supervised(), toy.tabular(val_fraction=0.0))
    losses = [value for _, value in points.of("train/loss")]
    assert kept.best_value == pytest.approx(min(losses))
    assert kept.best_epoch == losses.index(min(losses))
    assert load(tmp_path / "best.ckpt")["epoch"] == kept.best_epoch


def test_the_best_between_validations_within_an_epoch_is_kept_with_its_weights(tmp_path):
    kept = Checkpoint(str(tmp_path), monitor="val/loss")
    points, data = toy.Points(), toy.tabular(train=80, batch_size=10, val_fraction=0.2)
    settings = {"max_epochs": 2, "val_check_interval": 2, "plugins": [CheckpointIO()]}
    trainer = toy.trainer(tmp_path, callbacks=[kept], logger=points, **settings)
    trainer.fit(supervised(), data)
    losses = dict(points.of("val/loss"))
    assert len(losses) > 2
    assert kept.best_value == pytest.approx(min(losses.values()))
    model = supervised()
    assert load_weights(model, tmp_path / "best.ckpt")["global_step"] == min(losses, key=losses.__getitem__)
    scored = toy.trainer(tmp_path)
    scored.validate(model, data, verbose=False)
    assert scored.callback_metrics["val/loss"].item() == kept.best_value


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt", "previous.ckpt"])
def test_every_checkpoint_has_its_sha256_beside_it(tmp_path, name):
    fit(tmp_path, [3.0, 1.0, 2.0])
    path = tmp_path / name
    assert path.with_name(f"{name}.sha256").is_file()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load(path)
