"""What a step is spared changes nothing: the bits of Lightning's own Trainer, and every hook that somebody has."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from src.fit.quick import HOOKS
from src.fit.trainer import Trainer
from src.model.supervised import Supervised
from tests import toy


class Named(lightning.Callback):
    """Notes two of the hooks of a step, and which of the others can be called meanwhile."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.idle: list[str] = []

    def on_before_zero_grad(self, *arguments: Any) -> None:
        """Note it."""
        self.called.append("on_before_zero_grad")

    def on_train_batch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule, *rest: Any) -> None:
        """Note it, and what is idle."""
        self.called.append("on_train_batch_end")
        self.idle = [hook for owner in (self, module) for hook in HOOKS if getattr(owner, hook) is None]


def fitted(folder: Path, trainer_class: type[lightning.Trainer]) -> tuple[Supervised, toy.Points, Named]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
    model = toy.multiclass(
        net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=partial(torch.optim.Adam, lr=0.05), metrics=["accuracy"]
    )
    points, named = toy.Points(), Named()
    settings = {"accelerator": "cpu", "max_epochs": 2, "log_every_n_steps": 3, "enable_progress_bar": False}
    settings |= {"enable_model_summary": False, "enable_checkpointing": False, "use_distributed_sampler": False}
    trainer = trainer_class(**settings, logger=points, callbacks=[named], default_root_dir=folder)
    trainer.fit(model, toy.tabular(train=80, batch_size=10))
    return model, points, named


def test_the_weights_and_points_are_those_of_lightnings_own_trainer_to_the_bit(tmp_path: Path) -> None:
    (model, points, named), (plain, plain_points, plain_named) = (
        fitted(tmp_path, trainer_class) for trainer_class in (Trainer, lightning.Trainer)
    )
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in model.state_dict().items())
    assert points.points == plain_points.points
    assert named.called == plain_named.called
    assert len(named.called) == 2 * 2 * 8  # hooks, epochs, batches
    assert named.idle
    assert not plain_named.idle


def test_after_a_fit_every_hook_can_be_called_again(tmp_path: Path) -> None:
    model, _, named = fitted(tmp_path, Trainer)
    assert all(callable(getattr(owner, hook)) for owner in (model, named) for hook in HOOKS)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_end"])
def test_after_a_fit_that_fails_every_hook_can_be_called_again(hook: str, tmp_path: Path) -> None:
    class Fails(lightning.Callback):
        def fail(self, *arguments: Any) -> None:
            assert self.on_after_backward is None
            raise ValueError("on purpose")

    setattr(Fails, hook, Fails.fail)
    failing, trainer = Fails(), toy.trainer(tmp_path)
    trainer.callbacks.append(failing)
    model = toy.multiclass(nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.Adam)
    with pytest.raises(ValueError, match="on purpose"):
        trainer.fit(model, toy.tabular(val_fraction=0.2))
    assert all(callable(getattr(owner, hook)) for owner in (model, failing) for hook in HOOKS)
