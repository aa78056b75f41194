"""Whether a trainer's settings name what exists: a strategy, an accelerator, and devices of this machine."""

import os
import shutil
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry

import src.strategy.ddp  # noqa: F401  # Lightning knows its name once it is imported
from src.strategy.dp import DataParallel

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")  # of torch.compile
GPUS = ("mps", "cuda")  # what `gpu` stands for, in Lightning's order
PROCESSES = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")  # as torchrun, srun and mpirun count them


def check_hardware(settings: Mapping[str, Any], *, is_here: bool = True) -> None:
    """Raise ValueError, in one line with key, value and cure, where a Trainer with these settings could not be.

    `is_here` says that it is to run on this machine, whose devices are then counted.
    """
    strategy, accelerator = settings.get("strategy", "auto"), settings.get("accelerator", "auto")
    if isinstance(strategy, str):  # and no object or node
        _check_name("strategy", strategy, ("auto", *StrategyRegistry))
    if isinstance(accelerator, str):
        _check_name("accelerator", accelerator, ("auto", "gpu", *sorted(AcceleratorRegistry)))
    if strategy == DataParallel.strategy_name:
        _check_one_process(settings, is_here=is_here)
    if is_here and isinstance(accelerator, str):
        _check_devices(settings.get("devices", "auto"), accelerator, strategy)


def check_compiler(mode: str) -> None:
    """Raise ValueError where torch.compile has no such mode, or would find no compiler."""
    _check_name("compile", mode, MODES)
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise ValueError(f"trainer.compile={mode} needs a C++ compiler: install g++, or set trainer.compile=null")


def _check_name(key: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    plain = [other for other in known if not other.startswith(("single_", *(f"{short}_" for short in known)))]
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(plain)}"
    raise ValueError(f"trainer.{key}={name}: no such {key}: {hint}")


def _check_one_process(settings: Mapping[str, Any], *, is_here: bool) -> None:
    """Raise for what is meant for several processes: dp is one."""
    cure = "dp is one process on one machine: set trainer.strategy=ddp"
    for key, alone in (("num_nodes", 1), ("sync_batchnorm", False)):
        if settings.get(key, alone) != alone:
            raise ValueError(f"trainer.strategy=dp with trainer.{key}={settings[key]}: {cure}")
    if mode := settings.get("compile"):
        raise ValueError(
            f"trainer.strategy=dp with trainer.compile={mode}, which works for one thread: set trainer.strategy=ddp, "
            "or trainer.compile=null"
        )
    for name in PROCESSES if is_here else ():
        if (os.environ.get(name) or "1") != "1":
            raise ValueError(
                f"trainer.strategy=dp in one of {os.environ[name]} processes ({name}, which torchrun, srun or mpirun "
                f"set): {cure}, or start it with python -m src.train"
            )


def _check_devices(devices: Any, accelerator: str, strategy: Any) -> None:
    """Raise where `devices`, as Lightning reads them, are not on this machine."""
    kinds = {"auto": (*GPUS, "cpu"), "gpu": GPUS}.get(accelerator, (accelerator,))
    kind = next((kind for kind in kinds if AcceleratorRegistry[kind]["accelerator"].is_available()), None)
    if kind is None:
        raise ValueError(f"trainer.accelerator={accelerator}: PyTorch finds none here: set trainer=auto or trainer=cpu")
    wanted = _wanted(devices)
    if wanted == "auto":
        return
    if kind == "cpu":
        _check_parts(wanted, strategy)
    elif wanted != -1:  # all
        _check_count(wanted, AcceleratorRegistry[kind]["accelerator"].auto_device_count(), kind)


def _wanted(devices: Any) -> int | list[int] | str:
    """Return a number, a list of numbers, or auto."""
    try:
        if isinstance(devices, str) and devices != "auto":
            return [int(part) for part in devices.split(",") if part] if "," in devices else int(devices)
    except ValueError as error:
        raise ValueError(f"trainer.devices={devices}: give a number, a list of numbers, or auto") from error
    return devices


def _check_parts(wanted: int | list[int] | str, strategy: Any) -> None:
    """Raise where it is not said what several devices of a CPU are to be: it is one, with all its cores."""
    if not isinstance(wanted, int) or wanted < 1:
        raise ValueError(f"trainer.devices={wanted}: on a CPU give a number from 1")
    if wanted > 1 and strategy in ("auto", "single_device"):
        raise ValueError(
            f"trainer.devices={wanted} on a CPU, which with all its cores is one device: set trainer.devices=1, or let "
            f"it stand for several with trainer.strategy=ddp or dp"
        )


def _check_count(wanted: int | list[int] | str, there: int, kind: str) -> None:
    if "TORCHELASTIC_RUN_ID" in os.environ and there == 1:  # each of torchrun's processes may see its own alone
        return
    numbers = wanted if isinstance(wanted, list) else range(wanted) if isinstance(wanted, int) else ()
    if not numbers or not set(numbers) <= set(range(there)):
        are = "is 1 device" if there == 1 else f"are {there} devices"
        raise ValueError(
            f"trainer.devices={wanted}, but there {are} of accelerator={kind} here: set trainer.devices={there}"
        )
