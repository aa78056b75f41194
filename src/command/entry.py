"""Turns a function of a composed config into a command, whose every error is one clear line.

Torch-free, so that `--help`, `--cfg job` and completion answer at once.
"""

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from src.command.argument import is_sweep, quoted, typed, unquoted
from src.command.search_path import find_own_conf
from src.command.streams import usable_streams
from src.config.error import one_line
from src.config.own import started_here
from src.config.recorded import recorded
from src.config.schema import CONF, register
from src.data.read.download import DOWNLOAD_DIR
from src.fit.rank import leading
from src.run.folder import find
from src.run.interrupt import requeued_run
from src.run.rerun import rerunnable
from src.run.write import check_writable
from src.sweep.end import reported
from src.sweep.job import held, job
from src.sweep.plugin import hide_plugins

Thing = TypeVar("Thing")


def command(
    name: str, *, with_run: str | None = None, trains: bool = False
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Return a decorator that makes `main(cfg)` a command whose config is `conf/<name>.yaml`.

    Where the command line has `run=`, it is `conf/<with_run>.yaml`, in which the config that the run folder recorded
    can be composed under the name `recorded`. Where both names are the same, the command needs a `run=`; without
    `with_run` it takes no run's config. One that `trains` does so in a folder that its process holds, as a job of a
    sweep too, and beside other ranks; where it has `rerun=`, its config is `conf/rerun.yaml`, in the same way.
    """

    def decorate(main: Callable[[DictConfig], Any]) -> Callable[[], None]:
        def entry() -> None:
            logging.raiseExceptions = False  # on a full disk the log's own tracebacks would bury the one line
            led = leading(sweeps=is_sweep(sys.argv[1:])) if trains else nullcontext()
            with usable_streams(), started_here(sys.argv[1:]), one_line_errors(), reported(), led:
                config_name = _prepared(name, with_run, trains=trains)
                warnings.filterwarnings("error", r"Callback \w+\.on_\w+ raised")  # what Hydra makes of its exceptions
                task = _task(main, trains=trains)
                hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)()

        return entry

    return decorate


def _prepared(name: str, with_run: str | None, *, trains: bool) -> str:
    """Make the command line what Hydra is to read; return the name of the config."""
    if "${" in os.getcwd():
        raise ValueError(f"{os.getcwd()}: Hydra would replace the ${{...}} in its name: rename this folder")
    register()
    hide_plugins(sys.argv)
    find_own_conf(sys.argv[1:])
    sys.argv[1:] = typed(sys.argv[1:])
    if trains and (folder := requeued_run(sys.argv)):
        sys.argv[1:] = [quoted(f"run={folder}")]
    is_on_run = any(argument.startswith("run=") for argument in sys.argv[1:])
    is_again = trains and any(argument.startswith("rerun=") for argument in sys.argv[1:])
    if with_run and (is_on_run or is_again or name == with_run):
        sys.argv[1:] = with_recorded(sys.argv[1:], trains=trains)
    return "rerun" if is_again else with_run if with_run and is_on_run else name


def _task(main: Callable[[DictConfig], Any], *, trains: bool) -> Callable[[DictConfig], object]:
    """Wrap the function that Hydra calls: the log gets a failure's traceback, the screen one line.

    An exception that reaches Hydra is announced by a line of its own; a single run ends before that. What becomes of a
    failed job is the sweep's affair.
    """

    @wraps(main)
    def task(cfg: DictConfig) -> object:
        is_job = HydraConfig.get().mode is RunMode.MULTIRUN
        try:
            if trains and is_job:
                return job(main, cfg)
            with held(cfg) if trains else nullcontext():
                return main(cfg)
        except Exception as error:
            if is_job:
                raise
            logging.getLogger("src.traceback").error("", exc_info=error)
            raise SystemExit(f"error: {one_line(error)}") from error

    return task


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line where an error ends the block; HYDRA_FULL_ERROR=1 shows the traceback before it."""
    traced = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands errors on instead of printing them
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (Exception, SystemExit) as error:
        if traced and (cause := error.__cause__ if isinstance(error, SystemExit) else error):
            traceback.print_exception(cause)
        raise error if isinstance(error, SystemExit) else SystemExit(f"error: {one_line(error)}") from error


def each(things: Iterable[Thing], do: Callable[[Thing], None]) -> None:
    """Call `do` with each thing; where that cannot be, say so in one line and go on; end with exit code 1 then."""
    failed = False
    for thing in things:
        try:
            do(thing)
        except (ValueError, OSError) as error:
            failed = True
            print(f"error: {one_line(error)}", file=sys.stderr)
    if failed:
        raise SystemExit(1)


def with_recorded(arguments: list[str], *, trains: bool) -> list[str]:
    """Store the config that the folder of `run=` (or `rerun=`) recorded as `recorded`.

    Return the arguments with the folder it was found in. `trains` says that the command trains.

    Without `run=` the stored config is empty, which is enough for --help.
    """
    config = OmegaConf.create()
    folders = [argument for argument in arguments if argument.startswith(("run=", "rerun="))]
    asks = any(
        argument in ("--help", "-h", "--hydra-help", "--cfg", "-c", "--shell-completion", "-sc")
        for argument in arguments
    )
    if len({argument.partition("=")[0] for argument in folders}) == 2:
        raise ValueError("run= goes on with a run in its folder, rerun= repeats it in a new one: give one of them")
    if folders:
        key = folders[-1].partition("=")[0]
        folder = find(unquoted(folders[-1].partition("=")[2]))
        if trains and key == "run":
            check_writable(folder, cure="a run goes on in its folder: copy it, and give run=COPY")
        config = recorded(folder, overrides=arguments, trains=trains)
        if key == "rerun":
            rerunnable(folder)
            config.run = None
            if is_sweep(arguments):
                raise ValueError("rerun= repeats one run: leave out -m")
        os.environ[DOWNLOAD_DIR] = _data_dir(arguments)
        arguments = [argument for argument in arguments if argument not in folders] + [quoted(f"{key}={folder}")]
    elif not asks:
        raise ValueError("run= is missing: give a run folder, run=outputs/..., or run=last for the newest")
    ConfigStore.instance().store(name="recorded", node=config)
    return arguments


def _data_dir(arguments: list[str]) -> str:
    """Return where the user, and not a recorded config, says that datasets are."""
    said = [value for key, _, value in (argument.partition("=") for argument in arguments) if key == "data_dir"]
    return unquoted(said[-1]) if said else os.environ.get("DATA_DIR", "data")
