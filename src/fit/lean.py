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
    with within(trainer, hook):
        for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning's own, undeclared
            if (called := getattr(callback, hook)) is not None:
                called(trainer, trainer.lightning_module, *arguments)
        if (called := getattr(trainer.lightning_module, hook)) is not None:
            called(*arguments)


class within:  # noqa: N801  # a context manager, as a class a third of the time of a generator
    """Says for the time of a block which hook is running: `log` looks there for what it may do."""

    def __init__(self, trainer: lightning.Trainer, hook: str):
        self.module, self.hook = trainer.lightning_module, hook

    def __enter__(self) -> None:
        self.before = self.module._current_fx_name
        self.module._current_fx_name = self.hook

    def __exit__(self, *error: object) -> None:
        self.module._current_fx_name = self.before


def _nothing(action_name: str) -> Any:
    return NOTHING


def _is_idle(owner: object, base: type, hook: str) -> bool:
    return hook not in vars(owner) and getattr(type(owner), hook) is getattr(base, hook)
