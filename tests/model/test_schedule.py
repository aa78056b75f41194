"""Schedules give torch's own learning rates, and end with the run."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR, OneCycleLR

from src.model.schedule import constant, cosine, onecycle, step
from tests import toy

STEPS, LR = 40, 0.5


def rates(schedule: Callable[[Optimizer], LRScheduler], *, optimizer: Any = SGD, key: str = "lr") -> list[float]:
    """The value that each of the run's steps uses."""
    stepped = optimizer([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler, used = schedule(stepped), []
    for _ in range(STEPS):
        used.append(stepped.param_groups[0][key])
        stepped.step()
        scheduler.step()
    return used


def test_cosine_is_torchs():
    mine = rates(partial(cosine, steps=STEPS, final=0.1))
    assert mine == pytest.approx(rates(lambda o: CosineAnnealingLR(o, STEPS, eta_min=0.1 * LR)))


def test_step_is_torchs_at_shares_of_the_run():
    mine = rates(partial(step, steps=STEPS, milestones=[0.25, 0.5], gamma=0.3))
    assert mine == pytest.approx(rates(lambda o: MultiStepLR(o, [10, 20], gamma=0.3)))


@pytest.mark.parametrize("optimizer", [SGD, partial(SGD, momentum=0.9), Adam])
def test_onecycle_is_torchs_for_optimizers_with_and_without_momentum(optimizer):
    cycles = optimizer is not SGD
    torchs = partial(OneCycleLR, max_lr=LR, total_steps=STEPS, cycle_momentum=cycles)
    mine = partial(onecycle, steps=STEPS)
    assert rates(mine, optimizer=optimizer) == pytest.approx(rates(torchs, optimizer=optimizer))
    if cycles:
        key = "betas" if optimizer is Adam else "momentum"
        assert rates(mine, optimizer=optimizer, key=key) == rates(torchs, optimizer=optimizer, key=key)


def test_onecycle_goes_straight_and_leaves_momentum_alone_where_asked():
    sgd = partial(SGD, momentum=0.85)
    settings = {"pct_start": 0.25, "div_factor": 5, "final_div_factor": 2, "anneal_strategy": "linear"}
    mine = partial(onecycle, steps=STEPS, cycle_momentum=False, **settings)
    used = rates(mine, optimizer=sgd)
    assert used[:10] == pytest.approx([LR * (0.2 + 0.8 * k / 9) for k in range(10)])
    assert used[9:] == pytest.approx([LR * (1 - 0.9 * k / 30) for k in range(31)])
    assert set(rates(mine, optimizer=sgd, key="momentum")) == {0.85}


def test_onecycle_refuses_a_way_that_it_does_not_know():
    with pytest.raises(ValueError, match=r"scheduler\.anneal_strategy=straight.*cos, linear"):
        onecycle(SGD([nn.Parameter(torch.zeros(1))], lr=LR), steps=STEPS, anneal_strategy="straight")


def test_onecycle_peaks_at_the_optimizers_rate_and_ends_near_zero():
    mine = rates(partial(onecycle, steps=STEPS))
    assert max(mine) == pytest.approx(LR)
    assert mine[0] == pytest.approx(LR / 25)
    assert mine[-1] < LR / 1000


def test_warm_up_is_torchs_linear_one_up_to_the_optimizers_rate():
    mine = rates(partial(constant, steps=STEPS, warmup=0.25))
    torchs = rates(lambda o: LinearLR(o, start_factor=1 / 10, end_factor=1.0, total_iters=9))
    assert mine == pytest.approx(torchs)
    assert mine[9:] == [LR] * 31


@pytest.mark.parametrize("schedule", [cosine, partial(step, milestones=[0.5])])
def test_after_the_warm_up_the_schedule_runs_over_what_is_left(schedule):
    warmed = rates(partial(schedule, steps=STEPS, warmup=0.25))
    assert warmed[:10] == pytest.approx([LR * (k + 1) / 10 for k in range(10)])
    assert warmed[10:] == pytest.approx(rates(partial(schedule, steps=30))[:30])


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 5.0])
def test_a_warm_up_that_is_no_share_of_the_run_is_refused(warmup):
    with pytest.raises(ValueError, match=rf"scheduler\.warmup={warmup}"):
        constant(SGD([nn.Parameter(torch.zeros(1))]), steps=STEPS, warmup=warmup)


@pytest.mark.parametrize("schedule", [constant, step, cosine, onecycle])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_run_of_a_few_steps_has_a_schedule(schedule, steps):
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = schedule(optimizer, steps=steps)
    for _ in range(steps):
        assert 0 <= optimizer.param_groups[0]["lr"] <= LR
        optimizer.step()
        scheduler.step()


def linear(optimizer: Optimizer, *, steps: int, seen: list[int]) -> LRScheduler:
    """From 1 down to 0, reached exactly after the last step; tells how many steps it was promised."""
    seen.append(steps)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: 1 - done / steps)


# 36 training samples in batches of 8: 5 batches, the last one of 4
@pytest.mark.parametrize(
    ("settings", "data", "steps"),
    [
        ({"max_epochs": 3}, {}, 15),
        ({"max_epochs": 3}, {"drop_last": True}, 12),
        ({"max_epochs": 3, "accumulate_grad_batches": 2}, {}, 9),
        ({"max_epochs": 3, "accumulate_grad_batches": 7}, {}, 3),
        ({"max_epochs": 3, "accumulate_grad_batches": 2}, {"drop_last": True}, 6),
        ({"max_epochs": 3, "limit_train_batches": 2}, {}, 6),
        ({"max_epochs": 3, "limit_train_batches": 0.5}, {}, 6),
        ({"max_epochs": -1, "max_steps": 7}, {}, 7),
        ({"max_epochs": 3, "max_steps": 7}, {}, 7),
        ({"max_epochs": 3, "max_steps": 1000}, {}, 15),
        ({"max_epochs": 2, "val_check_interval": 2}, {}, 10),
        ({"max_epochs": 2}, {"passes": 3, "batch_size": 36}, 6),
    ],
)
def test_a_schedule_is_promised_the_steps_that_the_fit_takes(tmp_path, settings, data, steps):
    seen: list[int] = []
    model = toy.multiclass(
        nn.Linear(4, 3),
        outputs=3,
        loss=nn.CrossEntropyLoss(),
        optimizer=partial(SGD, lr=LR),
        scheduler=partial(linear, seen=seen),
    )
    trainer = toy.trainer(tmp_path, **settings)
    trainer.fit(model, toy.tabular(**{"batch_size": 8} | data))
    assert seen == [steps]
    assert trainer.global_step == steps
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.0


def test_the_rate_follows_the_schedule_step_by_step_in_a_fit(tmp_path):
    used = []
    model = toy.multiclass(
        nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=partial(SGD, lr=LR), scheduler=cosine
    )
    look = toy.Each(lambda trainer, batch: used.append(trainer.optimizers[0].param_groups[0]["lr"]))
    toy.trainer(tmp_path, max_epochs=2, callbacks=[look]).fit(model, toy.tabular(batch_size=8))
    after = [LR * (1 + math.cos(math.pi * done / 10)) / 2 for done in range(1, 11)]  # after each of 2 x 5 steps
    assert used == pytest.approx(after)


def test_a_schedule_of_an_endless_run_is_refused(tmp_path):
    model = toy.multiclass(nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=SGD, scheduler=cosine)
    with pytest.raises(ValueError, match=r"trainer\.max_epochs"):
        toy.trainer(tmp_path, max_epochs=-1).fit(model, toy.tabular())
