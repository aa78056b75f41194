"""Which `_target_` a config may name: it may come from a stranger, and must not run what it likes.

A name is looked at before anything is imported; what it resolves to is looked at again, because a package re-exports
others (`torch.nn.functional.torch.load` is `torch.load`).

To allow your own package, set `ALLOWED_TARGETS=my_package,other_package.nets` in the environment, or declare an entry
point of the group `src.targets` whose value is the package; a config cannot extend the list.
"""

import os
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

OWN = re.compile(
    r"src\.((model|data|net|task|callback|strategy)(\.[a-z]\w*)+\.[A-Za-z]\w*"
    r"|fit\.(trainer\.Trainer|checkpoint\.Checkpoint|guard\.Guard|progress\.ProgressBar|csv_logger\.CSV)"
    r"|run\.checkpoint_io\.CheckpointIO)"
)
LIBRARY = re.compile(
    r"(torch\.(nn|optim)|torchvision\.(models|transforms)|torchmetrics|lightning)(\.[a-z]\w*)*\.[A-Z]\w*"
)
LIBRARY_HOMES = (
    "torch.nn.",
    "torch.optim.",
    "torchvision.models.",
    "torchvision.transforms.",
    "torchmetrics.",
    "lightning.",
)
# What reads models or data by a name, from the network or the disk, and what reads the command line.
LIBRARY_OUTSIDERS = (
    "lightning.pytorch.cli.",
    "lightning.pytorch.demos.",
    "torchmetrics.audio.",
    "torchmetrics.image.",
    "torchmetrics.multimodal.",
    "torchmetrics.text.",
    "torchmetrics.video.",
)


def resolve(target: str) -> Callable[..., Any]:
    """Return the class or function called `target`.

    Raises ValueError where it may not be named or does not exist.

    Own functions and classes are allowed; of libraries only classes of the kinds that a run is made of.
    """
    check_name(target)
    found = _imported(target)
    home = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if extended(target):
        allowed = extended(home)
    elif OWN.fullmatch(target):
        allowed = OWN.fullmatch(home) is not None
        if home.startswith("src.strategy."):  # where others start processes
            allowed = isinstance(found, type) and issubclass(found, _kinds())
    else:
        allowed = home.startswith(LIBRARY_HOMES) and not home.startswith(LIBRARY_OUTSIDERS)
        allowed = allowed and isinstance(found, type) and issubclass(found, _kinds())
    if not allowed:
        raise ValueError(f"_target_={target} is not on the allow-list: it is {home}")
    return found


def check_name(target: object) -> None:
    """Raise ValueError where `target` is no name that a config may use; imports nothing."""
    if isinstance(target, str) and (OWN.fullmatch(target) or LIBRARY.fullmatch(target) or extended(target)):
        return
    raise ValueError(
        f"_target_={target} is not on the allow-list: name a class of this project's src, torch.nn, torch.optim, "
        f"torchvision.models, torchmetrics or lightning, or allow a package of your own with the environment variable "
        f"ALLOWED_TARGETS"
    )


def extended(target: str) -> bool:
    """Whether the environment or an entry point allows `target`."""
    packages = [*os.environ.get("ALLOWED_TARGETS", "").split(","), *_declared()]
    return any(target.startswith(f"{package.strip()}.") for package in packages if package.strip())


@cache
def _declared() -> tuple[str, ...]:
    """The packages of entry points; looking through all that is installed takes 10 ms."""
    return tuple(entry.value for entry in entry_points(group="src.targets"))


def _imported(target: str) -> Callable[..., Any]:
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):  # the longest prefix that is a module; the rest are attributes
        try:
            found: Any = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if not target.startswith(f"{error.name}"):  # a module of its own is missing, such as an extra
                raise ValueError(
                    f"_target_={target} needs the package {error.name!r}, which is not installed"
                ) from error
            continue
        for name in parts[cut:]:
            found = getattr(found, name, None)
        if callable(found):
            return found
        break
    raise ValueError(f"_target_={target}: there is no such class or function")


def _kinds() -> tuple[type, ...]:
    import lightning.pytorch as lightning
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.plugins import CheckpointIO, ClusterEnvironment, LayerSync, Precision
    from lightning.pytorch.profilers import Profiler
    from lightning.pytorch.strategies import Strategy
    from torch import nn, optim
    from torchmetrics import Metric

    run = (
        lightning.Trainer,
        lightning.LightningModule,
        lightning.LightningDataModule,
        lightning.Callback,
        Logger,
        Profiler,
    )
    hardware = (Strategy, CheckpointIO, ClusterEnvironment, LayerSync, Precision)
    return (*run, *hardware, nn.Module, optim.Optimizer, optim.lr_scheduler.LRScheduler, Metric)
