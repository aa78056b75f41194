"""A run made longer goes on with the rates that a run of the new length has there; one of the same length as it was."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from hydra.utils import get_method
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, SequentialLR, StepLR

from src.config.schema import CONF
from src.fit.checkpoint import Checkpoint
from tests import toy
from tests.conftest import UNDRAWN, Command

STEPS = 5  # of an epoch: 36 samples in batches of 8
OURS = sorted(path.stem for path in (CONF / "scheduler").glob("*.yaml") if path.stem not in ("none", "plateau"))


class Used(Callback):
    """Keeps the settings that each step uses."""

    def __init__(self) -> None:
        self.settings: list[dict[str, Any]] = []

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: object) -> None:
        """Keep them."""
        (group,) = trainer.optimizers[0].param_groups
        self.settings.append({key: group[key] for key in ("lr", "momentum", "betas") if key in group})


def fitted(
    folder: Path, schedule: Callable[..., Any], *, epochs: int, optimizer: Any, goes_on: bool = False
) -> list[Any]:
    """Train, or go on with what `folder` holds; return what each step used."""
    torch.manual_seed(0)
    model = toy.multiclass(
        nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=optimizer, scheduler=schedule
    )
    used, kept = Used(), Checkpoint(str(folder), monitor="train/loss")
    trainer = toy.trainer(folder, max_epochs=epochs, callbacks=[used, kept])
    trainer.fit(model, toy.tabular(batch_size=8), ckpt_path=folder / "last.ckpt" if goes_on else None)
    assert trainer.global_step == epochs * STEPS
    return used.settings


def option(name: str) -> Callable[..., LRScheduler]:
    node: Any = OmegaConf.to_container(OmegaConf.load(CONF / "scheduler" / f"{name}.yaml"))
    arguments = {key: value for key, value in node.items() if not key.startswith("_")}
    if "warmup" in arguments:
        arguments["warmup"] = 0.4  # of so few steps
    return partial(get_method(node["_target_"]), **arguments)


def in_two_parts(optimizer: Any, *, steps: int) -> LRScheduler:
    parts = [StepLR(optimizer, 2, gamma=0.5), CosineAnnealingLR(optimizer, steps)]
    return SequentialLR(optimizer, parts, milestones=[steps // 2])


THEIRS: dict[str, Callable[..., LRScheduler]] = {
    "OneCycleLR": lambda optimizer, *, steps: OneCycleLR(optimizer, 0.5, total_steps=steps),
    "CosineAnnealingLR": lambda optimizer, *, steps: CosineAnnealingLR(optimizer, steps),
    "SequentialLR": in_two_parts,
}


@pytest.mark.parametrize("optimizer", [partial(SGD, lr=0.5, momentum=0.9), partial(Adam, lr=0.5)], ids=["SGD", "Adam"])
@pytest.mark.parametrize("name", [*OURS, *THEIRS])
def test_a_longer_run_goes_on_with_the_rates_of_the_new_length(name: str, optimizer: Any, tmp_path: Path) -> None:
    schedule = THEIRS.get(name) or option(name)
    whole = fitted(tmp_path / "whole", schedule, epochs=4, optimizer=optimizer)
    first = fitted(tmp_path / "short", schedule, epochs=2, optimizer=optimizer)
    rest = fitted(tmp_path / "short", schedule, epochs=4, optimizer=optimizer, goes_on=True)
    assert first != whole[: 2 * STEPS]  # or nothing here follows from the length
    assert rest == whole[2 * STEPS :]


@pytest.mark.parametrize("name", OURS)
def test_lengthening_twice_is_lengthening_once(name: str, tmp_path: Path) -> None:
    schedule, optimizer = option(name), partial(Adam, lr=0.5)
    whole = fitted(tmp_path / "whole", schedule, epochs=3, optimizer=optimizer)
    for epochs in (1, 2):
        fitted(tmp_path / "short", schedule, epochs=epochs, optimizer=optimizer, goes_on=epochs > 1)
    rest = fitted(tmp_path / "short", schedule, epochs=3, optimizer=optimizer, goes_on=True)
    assert rest == whole[2 * STEPS :]


def test_onecycle_is_made_longer_from_the_command_line(train: Command) -> None:
    run = train("model=softmax_regression", UNDRAWN, "scheduler=onecycle", "trainer.max_epochs=1").run
    ended = train(f"run={run}", "trainer.max_epochs=2")
    assert ended.code == 0, ended.err
    assert "the schedule is that of the new length from step 41 on" in ended.err
