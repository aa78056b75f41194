"""The short way through a step is Lightning's way: the same hooks in the same order, the same counts and bits."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch import nn

from src.fit.quick import HOOKS
from src.fit.trainer import Trainer
from src.model.schedule import cosine
from src.model.supervised import Supervised
from tests import toy


class Witness(lightning.Callback):
    """Notes each hook of a step: what it was given, where the loops were, what can be logged."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.was_plain: set[bool] = set()

    def _note(self, hook: str, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        if hook in HOOKS:
            self.was_plain.add(getattr(loop, "is_plain", False))
        counts = {key: value for key, value in loop.state_dict().items() if "val_loop" not in key}
        tensors = [value for value in arguments if isinstance(value, int)]
        tensors += [value.item() for value in arguments if isinstance(value, torch.Tensor)]
        tensors += [value["loss"].item() for value in arguments if isinstance(value, dict)]
        gradients = [None if weight.grad is None else weight.grad.sum().item() for weight in module.parameters()]
        self.seen.append((hook, module._current_fx_name, trainer.global_step, counts, tensors, gradients))


for name in (*HOOKS, "on_validation_start", "on_validation_end"):
    setattr(Witness, name, lambda self, *arguments, name=name: self._note(name, *arguments))


class Logs(lightning.Callback):
    """Logs as callbacks of others do, at each step and for the epoch."""

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, outputs: Any, *rest: Any) -> None:
        """Log the loss."""
        module.log("by_step", outputs["loss"], on_step=True, on_epoch=True, batch_size=10)


class WithOwnStep(Supervised):
    """Takes the optimizer's step by itself, every second time."""

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Step, or compute the gradients alone."""
        if batch_idx % 2 == 0:
            optimizer.step(closure=optimizer_closure)
        else:
            optimizer_closure()


class WithOwnOutputs(Supervised):
    """Returns more than a loss."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Return a dictionary."""
        return {"loss": super().training_step(batch, batch_idx), "more": 1}


class LogsInside(Supervised):
    """Logs within the training step."""

    def forward(self, x_B: torch.Tensor) -> torch.Tensor:
        """Log the mean."""
        if self.training:
            self.log("inside", x_B.mean(), on_step=True, on_epoch=True, batch_size=len(x_B))
        return super().forward(x_B)


class CallsWithoutGradients(torch.optim.SGD):
    """Calls the closure where no gradients are kept, by name alone."""

    @torch.no_grad()
    def step(self, *, closure: Any) -> None:
        """Call it, and step."""
        closure()
        super().step()


class CallsTwice(torch.optim.SGD):
    """Steps by the gradients of a place ahead."""

    def step(self, closure: Any) -> None:
        """Look ahead, and step from there."""
        closure()
        super().step()
        closure()
        super().step()


class WithOwnBatch(Supervised):
    """Changes each batch on its way."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Return it twice as large."""
        x_B, y_B = batch
        return 2 * x_B, y_B


def fitted(
    folder: Path,
    trainer_class: type[lightning.Trainer],
    *callbacks: lightning.Callback,
    model_class: type[Supervised] = Supervised,
    optimizer: Any = partial(torch.optim.Adam, lr=0.05),  # noqa: B008
    ckpt_path: Path | None = None,
    val_fraction: float = 0.1,
    **settings: Any,
) -> tuple[dict[str, torch.Tensor], toy.Points]:
    """Return the weights after a fit and what was logged."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
    made = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "scheduler": cosine, "metrics": ["accuracy"]}
    model = toy.multiclass(net, cls=model_class, outputs=3, **made)
    points = toy.Points()
    settings = {"max_epochs": 3, "log_every_n_steps": 3, "accelerator": "cpu", "logger": points} | settings
    settings |= {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    settings |= {"use_distributed_sampler": False, "default_root_dir": folder, "callbacks": list(callbacks)}
    data = toy.tabular(train=80, batch_size=10, val_fraction=val_fraction)
    trainer_class(**settings).fit(model, data, ckpt_path=ckpt_path, weights_only=False)
    return model.state_dict(), points


PLAIN = [
    {},
    {"max_steps": 11},
    {"val_check_interval": 3},
    {"val_check_interval": 5, "check_val_every_n_epoch": None},
    {"check_val_every_n_epoch": 2},
    {"limit_val_batches": 0},
    {"limit_train_batches": 3},
    {"precision": "bf16-mixed"},
    {"gradient_clip_val": 0},
    {"val_check_interval": 0, "limit_val_batches": 0},
    {"model_class": LogsInside},
]
OTHERS = [
    {"gradient_clip_val": 0.1},
    {"accumulate_grad_batches": 2},
    {"precision": "64-true"},
    {"profiler": "simple"},
    {"model_class": WithOwnStep},
    {"model_class": WithOwnOutputs},
    {"model_class": WithOwnBatch},
    {"optimizer": partial(CallsWithoutGradients, lr=0.1)},
    {"optimizer": partial(CallsTwice, lr=0.1)},
]


@pytest.mark.filterwarnings("ignore:You have overridden `on_after_batch_transfer`")
@pytest.mark.parametrize("settings", [*PLAIN, *OTHERS], ids=str)
def test_hooks_counts_gradients_and_weights_are_those_of_lightnings_own_loop(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    ours, theirs = Witness(), Witness()
    weights, points = fitted(tmp_path, Trainer, ours, **settings)
    their_weights, their_points = fitted(tmp_path, lightning.Trainer, theirs, **settings)
    assert ours.was_plain == {settings in PLAIN}
    assert len(ours.seen) > 50
    for mine, other in zip(ours.seen, theirs.seen, strict=True):
        assert mine == other
    assert points.points == their_points.points
    assert all(torch.equal(value, their_weights[name]) for name, value in weights.items())


@pytest.mark.parametrize("saved", ["on_validation_end", "on_train_epoch_end"])
@pytest.mark.parametrize("settings", [{"val_check_interval": 2}, {"max_steps": 11}], ids=str)
def test_a_fit_goes_on_from_lightnings_own_checkpoints(saved: str, settings: dict[str, Any], tmp_path: Path) -> None:
    class Keep(lightning.Callback):
        def keep(self, trainer: lightning.Trainer, module: Any) -> None:
            if not trainer.sanity_checking and not (tmp_path / "kept.ckpt").exists():
                trainer.save_checkpoint(tmp_path / "kept.ckpt")

    setattr(Keep, saved, Keep.keep)
    settings = settings | {"val_fraction": 0.5}  # 4 batches of each
    fitted(tmp_path, Trainer, Keep(), **settings)
    (weights, points), (theirs, their_points) = (
        fitted(tmp_path, trainer_class, ckpt_path=tmp_path / "kept.ckpt", **settings)
        for trainer_class in (Trainer, lightning.Trainer)
    )
    assert all(torch.equal(value, theirs[name]) for name, value in weights.items())
    assert points.points == their_points.points
    assert points.of("val/loss")


def test_what_a_callback_logs_at_a_step_is_logged(tmp_path: Path) -> None:
    _, points = fitted(tmp_path, Trainer, Logs())
    _, theirs = fitted(tmp_path, lightning.Trainer, Logs())
    assert len(points.of("by_step_step")) == 8  # 24 steps, a point every 3
    assert len(points.of("by_step_epoch")) == 3
    assert points.points == theirs.points


def test_a_callback_that_ends_the_fit_ends_it_after_the_same_step(tmp_path: Path) -> None:
    class Stop(lightning.Callback):
        def on_train_batch_end(self, trainer: lightning.Trainer, *arguments: Any) -> None:
            trainer.should_stop = trainer.global_step == 5

    for settings in ({"min_epochs": 0}, {"min_steps": 9}):
        (weights, points), (theirs, their_points) = (
            fitted(tmp_path, trainer_class, Stop(), **settings) for trainer_class in (Trainer, lightning.Trainer)
        )
        assert all(torch.equal(value, theirs[name]) for name, value in weights.items())
        assert points.points == their_points.points


def test_callbacks_that_change_the_trainer_at_an_epochs_start_are_heard(tmp_path: Path) -> None:
    ours = Witness()
    weights, _ = fitted(tmp_path, Trainer, ours, GradientAccumulationScheduler({0: 1, 1: 4}))
    theirs, _ = fitted(tmp_path, lightning.Trainer, GradientAccumulationScheduler({0: 1, 1: 4}))
    assert ours.was_plain == {True, False}
    assert all(torch.equal(value, theirs[name]) for name, value in weights.items())
