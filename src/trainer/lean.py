"""Spares a training step what Lightning does for nobody: hooks that do nothing, profiles that nobody reads."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning
from lightning.pytorch.profilers import PassThroughProfiler, Profiler

HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
NOTHING = nullcontext()


@contextmanager
def without_idle_hooks(callbacks: Iterable[lightning.Callback], module: lightning.LightningModule) -> Iterator[None]:
    """Take away the hooks of a step that nobody has overridden: Lightning passes over what cannot be called."""
    bases: list[tuple[object, type]] = [(module, lightning.LightningModule)]
    bases += [(callback, lightning.Callback) for callback in callbacks]
    idle = [(owner, hook) for owner, base in bases for hook in HOOKS if _is_idle(owner, base, hook)]
    for owner, hook in idle:
        setattr(owner, hook, None)
    try:
        yield
    finally:
        for owner, hook in idle:
            if vars(owner).get(hook, owner) is None:  # else somebody has set one in the meantime
                delattr(owner, hook)


def without_profile(profiler: Profiler) -> None:
    """Let a profiler that does nothing do it without a generator for each of the dozens of calls of a step."""
    if type(profiler) is PassThroughProfiler:
        profiler.profile = _nothing  # type: ignore[method-assign]


def call(trainer: lightning.Trainer, hook: str, *arguments: Any) -> None:
    """Call a hook of a step where it is one, in the order Lightning has: the callbacks', then the module's."""
    module = trainer.lightning_module
    module._current_fx_name = hook  # where `log` finds what it may do
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning's own, undeclared
        if (called := getattr(callback, hook)) is not None:
            called(trainer, module, *arguments)
    if (called := getattr(module, hook)) is not None:
        called(*arguments)
    module._current_fx_name = None


def _nothing(action_name: str) -> Any:
    return NOTHING


def _is_idle(owner: object, base: type, hook: str) -> bool:
    return hook not in vars(owner) and getattr(type(owner), hook) is getattr(base, hook)
