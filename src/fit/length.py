"""A schedule that goes with a run's length follows it where a resumed run is longer or shorter than it was.

A run made longer has the rates of its old length up to where it goes on, and from there those that a run of the new
length has at the same steps: its curve is that of two schedules.
"""

import copy
import logging
import warnings
from dataclasses import dataclass
from typing import Any

import lightning
from torch.optim.lr_scheduler import LRScheduler

log = logging.getLogger(__name__)

# What torch's schedulers, and ours (`steps`), call the lengths that they were made for.
LENGTHS = ("steps", "total_steps", "total_iters", "T_max", "milestones", "_milestones")


@dataclass(frozen=True)
class Planned:
    """A scheduler of a fit that has not begun: its state, and the settings of its optimizer's groups."""

    scheduler: LRScheduler
    state: dict[str, Any]
    groups: list[dict[str, Any]]


def planned(trainer: lightning.Trainer) -> list[Planned]:
    """Return the schedules as they are made for the fit's length, before a checkpoint's state takes their place."""
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    return [
        Planned(
            scheduler, copy.deepcopy(scheduler.state_dict()), list(map(_settings, scheduler.optimizer.param_groups))
        )
        for scheduler in schedulers
        if isinstance(scheduler, LRScheduler)  # a plateau has no length
    ]


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def follow(plans: list[Planned]) -> None:
    """Put each schedule whose resumed state is of another length where the new one is after as many steps."""
    for plan in plans:
        resumed = plan.scheduler.state_dict()
        if all(resumed.get(name) == plan.state.get(name) for name in LENGTHS):
            continue
        for group, settings in zip(plan.scheduler.optimizer.param_groups, plan.groups, strict=True):
            group.update(settings)
        plan.scheduler.load_state_dict(plan.state)
        with warnings.catch_warnings(action="ignore"):  # that the optimizer has not stepped, which the resumed one has
            for _ in range(resumed["last_epoch"]):
                plan.scheduler.step()
        log.info(
            "the schedule is that of the new length from step %d on: the rate is %.3g now",
            resumed["last_epoch"],
            plan.scheduler.get_last_lr()[0],
        )
