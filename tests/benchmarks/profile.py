"""Where the microseconds of a training step go, in a normal run and in the bare loop, epochs of both in turns.

python -m tests.benchmarks profile softmax_regression
python -m tests.benchmarks profile softmax_regression
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any
from unittest.mock import patch

import lightning
from rich.table import Table
from torch import Tensor

from tests.benchmarks.loops import Loop, bare
from tests.benchmarks.task import Task
from tests.benchmarks.turns import Turns, normal_run

REST = "all else"  # of a normal run Lightning
PARTS = (
    "batch",
    "forward",
    "loss",
    "backward",
    "zero_grad",
    "update",
    "scores kept",
    "points written",
    "callbacks",
    REST,
)
HOOKS = ("on_train_batch_start", "on_before_backward", "on_before_zero_grad", "on_train_batch_end")


class Parts:
    """Seconds by part of a step, each without those of the parts that it calls."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._open = [REST]
        self._since_s = time.perf_counter()

    def taken(self) -> dict[str, float]:
        """Return the seconds since the last call of this."""
        self._count()
        seconds, self._seconds = self._seconds, defaultdict(float)
        return seconds

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, its time counted as `part`."""

        def counted(*arguments: Any, **options: Any) -> Any:
            self._count()
            self._open.append(part)
            try:
                return call(*arguments, **options)
            finally:
                self._count()
                self._open.pop()

        return counted

    def each(self, part: str, values: Iterable[Any]) -> Iterator[Any]:
        """Yield `values`; the time until each is there counts as `part`."""
        left = iter(values)
        return iter(self.timed(part, lambda: next(left, None)), None)

    def _count(self) -> None:
        now_s = time.perf_counter()
        self._seconds[self._open[-1]] += now_s - self._since_s
        self._since_s = now_s


class Watch(lightning.Callback):
    """Puts clocks around what a step of a normal run calls."""

    def __init__(self, parts: Parts):
        self.parts = parts

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Do so once everything is there."""
        timed, model, loader = self.parts.timed, pl_module, trainer.train_dataloader
        wanted = [(model.net, "forward", "forward"), (model.loss, "forward", "loss")]
        wanted += [(model.train_meter, "add", "scores kept"), (model._curve, "write_if_due", "points written")]
        callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning's, undeclared
        others = [callback for callback in callbacks if not isinstance(callback, (Watch, Turns))]
        wanted += [(callback, hook, "callbacks") for callback in others for hook in HOOKS]
        for thing, method, part in wanted:
            if called := getattr(thing, method):  # None: the bar is not told of a step's start
                setattr(thing, method, timed(part, called))
        watch_optimizer(trainer.optimizers[0], self.parts)
        each = loader.each  # type: ignore[union-attr]
        loader.each = lambda: self.parts.each("batch", each())  # type: ignore[union-attr]


def watch_loop(loop: Loop, parts: Parts) -> None:
    """Put clocks around what a step of a loop written by hand calls."""
    batches = loop.batches
    loop.net.forward, loop.loss = parts.timed("forward", loop.net.forward), parts.timed("loss", loop.loss)
    loop.batches = lambda: parts.each("batch", batches())
    watch_optimizer(loop.optimizer, parts)


def watch_optimizer(optimizer: Any, parts: Parts) -> None:
    """Put clocks around an optimizer, which may be given what comes before its step to call."""
    optimizer.zero_grad = parts.timed("zero_grad", optimizer.zero_grad)
    step = parts.timed("update", optimizer.step)
    optimizer.step = lambda closure=None: step(parts.timed(REST, closure)) if closure else step()


def profile(task: Task, *, rounds: int) -> Table:
    """Return microseconds per step by part, medians over `rounds` epochs of both sides; the first one warms up."""
    parts, loop = Parts(), bare(task)
    taken: dict[str, list[dict[str, float]]] = {"normal run": [], "bare loop": []}
    watch_loop(loop, parts)

    def other() -> None:
        taken["normal run"].append(parts.taken())
        loop()
        taken["bare loop"].append(parts.taken())

    with patch.object(Tensor, "backward", parts.timed("backward", Tensor.backward)):
        normal_run([*task.run, "trainer.limit_val_batches=0"], Turns(other), Watch(parts), epochs=rounds + 2)
    table = Table("µs per step", *taken, box=None, title=f"{task.name} {' '.join(task.overrides)}")
    sides = [
        {part: 1e6 * median(each.get(part, 0.0) for each in epochs[-rounds:]) / task.steps for part in PARTS}
        for epochs in taken.values()
    ]
    for part in PARTS:
        table.add_row(part, *(f"{side[part]:,.1f}" for side in sides))
    table.add_row("together", *(f"{sum(side.values()):,.1f}" for side in sides))
    return table
