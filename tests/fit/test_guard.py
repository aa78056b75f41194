"""A run stops at its first loss that is not finite, names what it came from, and keeps weights and checkpoints good."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn

from src.fit.checkpoint import Checkpoint
from src.fit.guard import DivergenceError, Guard
from src.run.checkpoint_io import CheckpointIO, load
from src.run.record import read
from tests import toy
from tests.conftest import Command

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01, fused=True),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.1, fused=True),
    "not fused": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
}


class Spoils(nn.Module):
    """Hands on what it is given, and NaN instead from its call number `call` (from 0) on, while training."""

    def __init__(self, call: float):
        super().__init__()
        self.call, self.calls = call, 0

    def forward(self, x: Tensor) -> Tensor:
        """Return x, or NaN."""
        self.calls += self.training
        return x * math.nan if self.training and self.calls > self.call else x


class Weights(lightning.Callback):
    """Keeps a copy of the weights before each batch."""

    def __init__(self) -> None:
        self.before: list[list[Tensor]] = []

    def on_train_batch_start(self, trainer: lightning.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        """Copy."""
        self.before.append([weight.detach().clone() for weight in module.parameters()])


def fit(
    folder: Path, *, call: float, optimizer: str = "adam", every: int | None = None, **settings: Any
) -> tuple[list[list[Tensor]], list[Tensor], list[str]]:
    """Train over a layer that spoils; return the weights before each batch, those at the end, and the error."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), Spoils(call), nn.Linear(8, 3))
    model = toy.multiclass(net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=OPTIMIZERS[optimizer])
    weights, kept = Weights(), Checkpoint(str(folder), monitor="val/loss", every_n_steps=2)
    callbacks = [weights, Guard(every_n_steps=every), kept]
    trainer = toy.trainer(folder, callbacks=callbacks, plugins=[CheckpointIO()], max_epochs=3, **settings)
    error = []
    try:
        trainer.fit(model, toy.tabular(train=60, batch_size=6, val_fraction=0.2))  # 8 batches
    except DivergenceError as raised:
        error = [str(raised)]
    return weights.before, list(model.parameters()), error


@pytest.mark.parametrize("every", [None, 5, 50])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("call", [0, 3, 7, 8, 13])
def test_the_weights_are_those_before_the_first_bad_batch(tmp_path, call, optimizer, every):
    before, after, (error,) = fit(tmp_path, call=call, optimizer=optimizer, every=every)
    assert all(torch.equal(mine, other) for mine, other in zip(after, before[call], strict=True))
    assert f"at step {call + 1}, batch {call % 8} of epoch {call // 8}," in error
    assert "net.2 (Spoils) is the first layer whose output is not finite" in error


@pytest.mark.slow
def test_the_layer_of_a_compiled_net_is_named(tmp_path: Path) -> None:
    _, _, (error,) = fit(tmp_path, call=3, compile="default")
    assert "net.2 (Spoils) is the first layer whose output is not finite" in error


@pytest.mark.parametrize("every", [None, 5])
@pytest.mark.parametrize("call", [4, 5])
def test_with_accumulation_the_whole_step_is_held_back(tmp_path, call, every):
    before, after, (error,) = fit(tmp_path, call=call, every=every, accumulate_grad_batches=2)
    assert all(torch.equal(mine, other) for mine, other in zip(after, before[4], strict=True))
    assert f"at step 3, batch {call} of epoch 0," in error


@pytest.mark.parametrize("every", [None, 5])
def test_the_last_checkpoint_is_one_from_before_the_bad_step(tmp_path, every):
    fit(tmp_path, call=13, every=every)
    last = load(tmp_path / "last.ckpt")
    assert last["global_step"] in (12, 13)
    assert all(value.isfinite().all() for value in last["state_dict"].values())
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("every", [None, 5])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_sound_run_has_the_same_bits_with_and_without_a_guard(tmp_path, optimizer, every):
    before, _, error = fit(tmp_path / "with", call=math.inf, optimizer=optimizer, every=every)
    assert not error
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Identity(), nn.Linear(8, 3))
    model, weights = (
        toy.multiclass(net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=OPTIMIZERS[optimizer]),
        Weights(),
    )
    trainer = toy.trainer(tmp_path, callbacks=[weights], max_epochs=3)
    trainer.fit(model, toy.tabular(train=60, batch_size=6, val_fraction=0.2))
    assert len(before) == len(weights.before) == 24
    for ours, theirs in zip(before, weights.before, strict=True):
        assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))


class Explodes(torch.autograd.Function):
    """Hands on what it is given; its gradient is infinite."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return x."""
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return infinities."""
        return gradient * math.inf


class Exploding(nn.Module):
    """A layer around Explodes, from batch 5 on."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        self.calls += 1
        return Explodes.apply(x) if self.calls > 5 else x


@pytest.mark.parametrize("every_n_steps", [1, 2, None])
def test_infinite_gradients_of_a_finite_loss_reach_no_checkpoint(tmp_path, every_n_steps):
    net = nn.Sequential(nn.Linear(4, 8), Exploding(), nn.Linear(8, 3))
    model = toy.multiclass(net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=OPTIMIZERS["adam"])
    kept = Checkpoint(str(tmp_path), monitor="train/loss", every_n_steps=every_n_steps)
    trainer = toy.trainer(tmp_path, callbacks=[Guard(), kept], plugins=[CheckpointIO()], max_epochs=3)
    with pytest.raises(DivergenceError, match=r"net\.0\.(weight|bias) is not finite"):
        trainer.fit(model, toy.tabular(train=60, batch_size=6, val_fraction=0.0))
    for path in tmp_path.glob("*.ckpt"):
        assert all(value.isfinite().all() for value in load(path)["state_dict"].values())
    assert (tmp_path / "last.ckpt").exists() == (every_n_steps is not None)


def test_a_batch_that_is_not_finite_is_named_itself(tmp_path):
    data = toy.tabular(train=60, batch_size=6, val_fraction=0.0, shuffle=False)
    data.setup("fit")
    data.collection["train"][0][data.indices["train"][20]] = math.inf
    model = toy.multiclass(nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=OPTIMIZERS["sgd"])
    with pytest.raises(DivergenceError, match=r"at step 4, batch 3 of epoch 0.*the batch itself is not finite"):
        toy.trainer(tmp_path, callbacks=[Guard()]).fit(model, data)


def test_a_run_that_diverges_has_failed_in_one_line_and_its_checkpoints_are_good(train: Command) -> None:
    wild = ("model=fashion_dnn", "optimizer=sgd", "optimizer.lr=1e18", "scheduler=none", "trainer.max_epochs=2")
    ended = train(*wild, "callback.checkpoint.every_n_steps=1", "test=false")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("error: the loss is not finite at step ")
    assert "Traceback" not in ended.err
    record = read(ended.run)
    assert (record["state"], record["error"]["type"]) == ("failed", "DivergenceError")
    assert all(value.isfinite().all() for value in load(ended.run / "checkpoints" / "last.ckpt")["state_dict"].values())
