"""Which `_target_` a config may name: it may come from a stranger, and must not run what it likes.

A name is looked at before anything is imported; what it resolves to is looked at again, because a package re-exports
others (`torch.nn.functional.torch.load` is `torch.load`).

Packages and modules in the working folder may be named: classes of the kinds that a run is made of, and whatever else
the person's own `conf` names. To allow others, set `ALLOWED_TARGETS=my_package,other_package.nets` in the environment,
or declare an entry point of the group `src.targets` whose value is the package; a config cannot extend the list.
"""

import os
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from src.config import own

OWN = re.compile(
    r"src\.((model|data|net|task|callback|strategy)(\.[a-z]\w*)+\.[A-Za-z]\w*"
    r"|fit\.(trainer\.Trainer|checkpoint\.Checkpoint|guard\.Guard|progress\.ProgressBar|csv_logger\.CSV)"
    r"|run\.checkpoint_io\.CheckpointIO)"
)
LIBRARY = re.compile(
    r"(torch\.(nn|optim)|torchvision\.(models|transforms)|torchmetrics|lightning)(\.[a-z]\w*)*\.[A-Z]\w*"
    r"|lightning(\.[a-z]\w*)*\.LightningDataModule\.from_datasets"
)
FROM_DATASETS = "lightning.pytorch.core.datamodule.LightningDataModule.from_datasets"
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
    "lightning.pytorch.demos.lstm.",
    "lightning.pytorch.demos.mnist_datamodule.",
    "lightning.pytorch.demos.transformer.LightningTransformer",
    "lightning.pytorch.demos.transformer.WikiText2",
    "torchmetrics.audio.",
    "torchmetrics.image.",
    "torchmetrics.multimodal.",
    "torchmetrics.text.",
    "torchmetrics.video.",
)


def resolve(target: str) -> Callable[..., Any]:
    """Return the class or function called `target`.

    Raises ValueError where it may not be named or does not exist.

    The framework's functions and classes are allowed; of libraries only classes of the kinds that a run is made of.
    """
    check_name(target)
    if not is_known(target) and not extended(target):
        return _own(target)
    found = _imported(target)
    home = _home(found)
    if extended(target):
        allowed = extended(home)
    elif OWN.fullmatch(target):
        allowed = OWN.fullmatch(home) is not None
        if home.startswith("src.strategy."):  # where others start processes
            allowed = _is_kind(found)
    else:
        allowed = home.startswith(LIBRARY_HOMES) and not home.startswith(LIBRARY_OUTSIDERS)
        allowed = home == FROM_DATASETS or (allowed and _is_kind(found))
    if not allowed:
        raise ValueError(f"_target_={target} is not on the allow-list: it is {home}")
    return found


def check_name(target: object) -> None:
    """Raise ValueError where `target` is no name that a config may use; imports nothing."""
    if isinstance(target, str) and (is_known(target) or extended(target) or own.may_hold(target)):
        return
    if str(target).startswith("src.") and (advice := own.advice_on_src()):
        raise ValueError(f"_target_={target} is not on the allow-list{advice}")
    raise ValueError(
        f"_target_={target} is not on the allow-list: name a class of this project's src, torch.nn, torch.optim, "
        f"torchvision.models, torchmetrics or lightning, or of a package in the folder where the command is started, "
        f"or allow a package of your own with the environment variable ALLOWED_TARGETS"
    )


def check_recorded(target: str) -> None:
    """Raise ValueError where `target` is the person's own code and not of a module that the person names.

    In `conf`, in ALLOWED_TARGETS or in an entry point: of a package that is allowed, a stranger's run folder chooses
    no other. Imports nothing.
    """
    module = target.rpartition(".")[0]
    if is_known(target) or {target, module} & {*_packages()} or own.names_module(target):
        return
    raise ValueError(
        f"_target_={target}: a run folder may only name modules of yours that a YAML of your own conf names: "
        f"name {module} there, or in ALLOWED_TARGETS={module}"
    )


def is_known(target: str) -> bool:
    """Whether `target` is named as something of the framework's or of the libraries that it is built on."""
    return bool(OWN.fullmatch(target) or LIBRARY.fullmatch(target))


def extended(target: str) -> bool:
    """Whether the environment or an entry point allows `target`."""
    return target.startswith(tuple(f"{package}." for package in _packages()))


def _packages() -> list[str]:
    named = (package.strip() for package in os.environ.get("ALLOWED_TARGETS", "").split(","))
    return [*filter(None, named), *_declared()]


@cache
def _declared() -> tuple[str, ...]:
    """The packages of entry points; looking through all that is installed takes 10 ms."""
    return tuple(entry.value for entry in entry_points(group="src.targets"))


def _own(target: str) -> Callable[..., Any]:
    """Return what `target` is in the working folder: of any kind, but for a function that no YAML there names."""
    own.make_importable()
    found = _imported(target)
    if not own.holds(found):
        place = getattr(sys.modules.get(found.__module__), "__file__", None) or "Python itself"
        raise ValueError(
            f"_target_={target} is not on the allow-list: it is {_home(found)} of {place}, which is not in the folder "
            f"{own.working_folder()}, where the command was started"
        )
    if not _is_kind(found) and not own.names(target):
        raise ValueError(
            f"_target_={target} is not on the allow-list: it is no class of a kind that a run is made of "
            f"(LightningModule, nn.Module, Dataset, ...): name it in a YAML of your own conf to allow it"
        )
    return found


def _home(found: Any) -> str:
    return f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"


def _imported(target: str) -> Callable[..., Any]:
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):  # the longest prefix that is a module; the rest are attributes
        name = ".".join(parts[:cut])
        try:
            found: Any = import_module(name)
        except ModuleNotFoundError as error:
            if not target.startswith(f"{error.name}"):  # a module of its own is missing, such as an extra
                advice = own.advice_on_src() if f"{error.name}".startswith("src.") else ""
                raise ValueError(
                    f"_target_={target} needs the package {error.name!r}, which is not installed{advice}"
                ) from error
            continue
        except (Exception, SystemExit) as error:  # whatever the code at its top raises
            raise ValueError(f"_target_={target}: importing {name} ends in {type(error).__name__}: {error}") from error
        near = get_close_matches(parts[cut], vars(found), n=1)
        for part in parts[cut:]:
            found = getattr(found, part, None)
        if callable(found):
            return found
        hint = f": did you mean {name}.{near[0]}?" if near and near[0] != parts[cut] else ""
        raise ValueError(f"_target_={target}: there is no such class or function{hint}")
    raise ValueError(f"_target_={target}: there is no such class or function")


def _is_kind(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, _kinds())


def _kinds() -> tuple[type, ...]:
    import lightning.pytorch as lightning
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.plugins import CheckpointIO, ClusterEnvironment, LayerSync, Precision
    from lightning.pytorch.profilers import Profiler
    from lightning.pytorch.strategies import Strategy
    from torch import nn, optim
    from torch.utils.data import Dataset
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
    return (*run, *hardware, nn.Module, Dataset, optim.Optimizer, optim.lr_scheduler.LRScheduler, Metric)
