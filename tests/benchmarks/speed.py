"""Training speed of a normal run over that of other loops, epochs of both in turns."""

import math
from collections.abc import Callable
from statistics import median

import lightning

from src.fit.checkpoint import Checkpoint
from src.fit.guard import Guard
from tests.benchmarks.loops import alone, bare, published
from tests.benchmarks.plain import plain
from tests.benchmarks.row import Row
from tests.benchmarks.task import Task
from tests.benchmarks.turns import Switched, Turns, normal_run

SIDES: dict[str, Callable[[Task], Callable[[], float | None]]] = {
    "bare loop": bare,
    "published loop": published,
    "plain Lightning": plain,
    "net alone": alone,
}


def over(side: str, task: Task, *, asked: float | None, rounds: int) -> Row:
    """The speed of a normal run of `task` over that of a side, as a ratio per round; the first one warms up."""
    turns = Turns(SIDES[side](task))
    normal_run(task.run, turns, epochs=rounds + 1)
    run_s, other_s = turns.run_seconds[1:], turns.other_seconds[1:]
    return Row(
        f"{' '.join([task.name, *task.overrides])}: normal run / {side}",
        [theirs / ours for ours, theirs in zip(run_s, other_s, strict=True)],
        asked,
        sides=f"{task.samples / median(run_s):,.0f} / {task.samples / median(other_s):,.0f} samples/s",
    )


def over_itself(task: Task, part: str, *, asked: float, rounds: int) -> Row:
    """The time of a normal run's epochs with a part of it, `checkpoints` or `guard`, over those without, in turns."""
    turns = Switched(SWITCHES[part])
    normal_run(task.run, turns, epochs=2 * rounds + 2)
    off_s, on_s = turns.run_seconds[2::2], turns.run_seconds[3::2]  # the first two warm up
    sides = f"{median(on_s):.3f} / {median(off_s):.3f} s for {task.steps} batches"
    ratios = [on / off for on, off in zip(on_s, off_s, strict=True)]
    return Row(f"{task.name}: with {part} / without", ratios, asked, at_most=True, sides=sides)


def every_100_steps(trainer: lightning.Trainer, is_on: bool) -> None:
    """Let the checkpoints be written every 100 steps, or after each epoch alone."""
    kept = trainer.checkpoint_callback
    assert isinstance(kept, Checkpoint)
    kept.every_n_steps = 100 if is_on else math.inf


def guarded(trainer: lightning.Trainer, is_on: bool) -> None:
    """Put a guard among the callbacks, or take it away."""
    callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning's, undeclared
    callbacks[:] = [callback for callback in callbacks if not isinstance(callback, Guard)]
    if is_on:
        guard = Guard()
        guard.on_train_start(trainer, trainer.lightning_module)
        callbacks.append(guard)


SWITCHES: dict[str, Callable[[lightning.Trainer, bool], None]] = {
    "checkpoints": every_100_steps,
    "guard": guarded,
}
