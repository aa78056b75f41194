"""When a schedule of learning rates takes its steps, and by what score one that waits for a plateau goes."""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

log = logging.getLogger(__name__)

INTERVALS = ("step", "epoch")
LENGTHS = ("steps", "total_steps")  # what schedules call the optimizer steps of the whole run


@dataclass(frozen=True, kw_only=True)
class Stepping:
    """A schedule steps each `interval`: with the optimizer, step, or once an epoch.

    Null leaves it to the schedule: one that takes the run's number of steps steps with the optimizer, any other once an
    epoch, as is Lightning's way. One that waits for a plateau looks at `monitor`, which is better by `mode`, min or
    max.
    """

    interval: str | None = None
    monitor: str = "val/loss"
    mode: str | None = None

    def __post_init__(self) -> None:
        if self.interval not in (None, *INTERVALS):
            raise ValueError(f"scheduler.interval={self.interval}: choose from {', '.join(INTERVALS)}")

    def planned(
        self, make: Callable[..., LRScheduler], optimizer: Optimizer, *, steps: Callable[[], int]
    ) -> dict[str, Any]:
        """Return a schedule that `make` makes of an optimizer, as Lightning takes it.

        `steps` counts the optimizer steps of the whole run, for a schedule that wants to know.
        """
        given = make.keywords if isinstance(make, partial) else {}
        kind = make.func if isinstance(make, partial) else make
        wanted = [name for name in LENGTHS if name in inspect.signature(kind).parameters and name not in given]
        arguments: dict[str, Any] = {wanted[0]: steps()} if wanted else {}
        waits = isinstance(kind, type) and issubclass(kind, ReduceLROnPlateau)
        if waits and "mode" not in given and self.mode:
            arguments["mode"] = self.mode
        plan = {"scheduler": make(optimizer, **arguments), "interval": self.interval or ("epoch", "step")[bool(wanted)]}
        return plan | ({"monitor": self.monitor} if waits else {})

    def said(self, plan: dict[str, Any]) -> None:
        """Say how often a schedule steps, where it is not said and not ours to know."""
        if self.interval is None and plan["interval"] == "epoch" and "monitor" not in plan:
            name = type(plan["scheduler"]).__name__
            log.info("%s steps once an epoch; with scheduler.interval=step after each optimizer step", name)


ITS_OWN = Stepping()
