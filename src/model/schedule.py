"""Learning rates over a run, per optimizer step: `schedule(optimizer, steps=the run's total)`, and that total.

`warmup` is the share of the run, in [0, 1), in which the rate rises linearly from (almost) 0 to the optimizer's own.
"""

import math
from collections.abc import Callable, Sequence

import lightning
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR


def constant(optimizer: Optimizer, *, steps: int, warmup: float = 0.05) -> LRScheduler:
    """Keep the optimizer's rate after the warm-up."""
    return _warmed_up(optimizer, steps, warmup, lambda progress: 1.0)


def step(
    optimizer: Optimizer,
    *,
    steps: int,
    milestones: Sequence[float] = (0.5, 0.75),
    gamma: float = 0.1,
    warmup: float = 0.0,
) -> LRScheduler:
    """Multiply the rate by `gamma` at each of `milestones`, shares of the run after the warm-up in (0, 1)."""
    return _warmed_up(optimizer, steps, warmup, lambda progress: gamma ** sum(progress >= mark for mark in milestones))


def cosine(optimizer: Optimizer, *, steps: int, final: float = 0.0, warmup: float = 0.0) -> LRScheduler:
    """Lower the rate along half a cosine to `final` times its value (arXiv:1608.03983)."""
    return _warmed_up(
        optimizer, steps, warmup, lambda progress: final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2
    )


def onecycle(
    optimizer: Optimizer,
    *,
    steps: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
) -> LRScheduler:
    """Raise the rate to the optimizer's own, lower it to almost 0, momentum inversely (arXiv:1708.07120).

    It begins at the optimizer's rate / `div_factor` and ends at that / `final_div_factor`, along cosines or, with
    "linear", straight.
    """
    if anneal_strategy not in ("cos", "linear"):
        raise ValueError(f"scheduler.anneal_strategy={anneal_strategy}: choose from cos, linear")
    peaks = [group["lr"] for group in optimizer.param_groups]
    has_momentum = all(group.get("momentum") or "betas" in group for group in optimizer.param_groups)
    return OneCycleLR(
        optimizer,
        peaks,
        total_steps=steps,
        pct_start=pct_start,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        anneal_strategy=anneal_strategy,  # type: ignore[arg-type]
        cycle_momentum=cycle_momentum and has_momentum,
    )


def total_steps(trainer: lightning.Trainer) -> int:
    """Return the optimizer steps of the whole run; raises ValueError where it has no end.

    Counted by hand: reading `trainer.estimated_stepping_batches` makes Lightning drop the loader's state when it
    resumes.
    """
    if not trainer.max_epochs or trainer.max_epochs < 0:
        if trainer.max_steps > 0:
            return trainer.max_steps
        raise ValueError(
            "the schedule, or callback.lookahead, needs the run's length: set trainer.max_epochs or trainer.max_steps"
        )
    trainer.fit_loop.setup_data()
    if math.isinf(trainer.num_training_batches):  # a loader without a length
        if trainer.max_steps > 0:
            return trainer.max_steps
        raise ValueError(
            "the schedule, or callback.lookahead, needs the run's length, and the loader has none: set "
            "trainer.max_steps or trainer.limit_train_batches"
        )
    per_epoch = -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)
    steps = trainer.max_epochs * per_epoch
    return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps  # the fit ends at whichever is first


def _warmed_up(optimizer: Optimizer, steps: int, warmup: float, factor: Callable[[float], float]) -> LRScheduler:
    """Scale the rate by `factor(progress)`, progress in [0, 1] over what follows the warm-up."""
    if not 0 <= warmup < 1:
        raise ValueError(f"scheduler.warmup={warmup}: a share of the run, from 0 up to but not 1")
    warmup_steps = round(steps * warmup)

    def at(done: int) -> float:
        if done < warmup_steps:
            return (done + 1) / warmup_steps
        return factor((done - warmup_steps) / max(1, steps - warmup_steps))

    schedule = LambdaLR(optimizer, at)
    schedule.steps = steps  # type: ignore[attr-defined]  # the length is in its state: src.fit.length
    return schedule
