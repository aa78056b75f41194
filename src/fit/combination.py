"""Settings that torch or Lightning would refuse, or ignore, once a run has begun: found before compute."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

LEAST = {  # what Lightning divides by, or takes for nothing to do
    **dict.fromkeys(("max_epochs", "max_steps", "limit_train_batches"), "nothing would be trained"),
    **dict.fromkeys(
        ("accumulate_grad_batches", "check_val_every_n_epoch", "val_check_interval", "num_nodes"), "give at least 1"
    ),
}


def check_settings(settings: Mapping[str, Any], build: Callable[..., object]) -> None:
    """Raise ValueError, in one line, for a Trainer's numbers and words that cannot be.

    `build` makes a Trainer of some settings: one of a CPU, so that Lightning judges them and no GPU is touched.
    """
    for key, why in LEAST.items():
        if settings.get(key) == 0:
            raise ValueError(f"trainer.{key}=0: {why}")
    clip = settings.get("gradient_clip_val")
    if clip is not None and clip < 0:
        raise ValueError(f"trainer.gradient_clip_val={clip}: Lightning would not clip: give a norm above 0, or null")
    nothing = {"callbacks": [], "logger": [], "plugins": [], "profiler": _named(settings.get("profiler"))}
    try:
        with _silence():
            build(settings, accelerator="cpu", devices=1, num_nodes=1, strategy="auto", **nothing)
    except (MisconfigurationException, ValueError, ModuleNotFoundError) as error:
        raise ValueError(f"trainer: {' '.join(str(error).split())}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what Lightning says of a Trainer that does not train."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _named(profiler: Any) -> Any:
    """Return a profiler that is given by name, and none for a node of its own, which makes files."""
    return profiler if isinstance(profiler, str) else None


def check_step(optimizer: torch.optim.Optimizer, settings: Mapping[str, Any]) -> None:
    """Raise ValueError where an optimizer of torch's takes no step, or none with what the trainer does to gradients."""
    if not type(optimizer).__module__.startswith("torch.optim"):
        return  # it may want more than this knows of
    group = optimizer.param_groups[0]
    if settings.get("precision") in ("16-mixed", 16) and settings.get("gradient_clip_val") and group.get("fused"):
        raise ValueError(
            f"trainer.gradient_clip_val={settings['gradient_clip_val']} trainer.precision={settings['precision']}: a "
            "fused optimizer unscales gradients by itself, after they are clipped: set optimizer.fused=false"
        )
    if group.get("capturable"):  # on a GPU alone
        return
    (weight,) = group["params"]

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            value: torch.Tensor = weight.square().sum()
            value.backward()
        return value

    loss()
    optimizer.step(loss)  # type: ignore[arg-type]  # LBFGS asks for it; others take it
