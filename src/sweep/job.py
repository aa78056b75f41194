"""One job of a sweep: skipped where it is done, resumed where it was stopped, and never run by two processes."""

import logging
import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from src.config.check import plain
from src.config.command import one_line
from src.config.hash import config_hash
from src.config.recorded import keep
from src.run.folder import shown
from src.run.hold import Held, hold
from src.run.record import Record, read

log = logging.getLogger(__name__)
Main = Callable[[DictConfig], float | None]


def once(main: Main) -> Main:
    """Return `main`, which trains a run in Hydra's folder, such that its process holds the folder meanwhile.

    In a sweep it is called only where there is something to do. A sweeper is given the recorded value of a job that is
    done, and NaN, which is best in nothing, for one that failed or that another process is running.
    """

    @wraps(main)
    def held(cfg: DictConfig) -> float | None:
        hydra = HydraConfig.get()
        folder = shown(Path(hydra.runtime.output_dir))
        if hydra.mode is RunMode.MULTIRUN:
            return job(main, cfg, folder)
        with hold(folder):
            return _run(main, cfg, folder)

    return held


def job(main: Main, cfg: DictConfig, folder: Path) -> float | None:
    """Run, resume, retry or skip the job of `folder`; log one line where it is not run or fails.

    Raises SystemExit, which ends the sweep, for a failure with fail_fast, and where the folder is another run's.
    """
    title = f"job {named(HydraConfig.get().overrides.task)} in {folder}"
    try:
        with hold(folder):
            if (folder / "run.json").exists() and (skipped := _skipped(cfg, folder, title)):
                return skipped[0]
            return _run(main, cfg, folder)
    except Held as error:
        log.info("%s: not run here: %s", title, str(error).partition(": ")[2])
    except Exception as error:
        logging.getLogger("src.traceback").error("", exc_info=error)
        log.error("error: %s: %s", title, one_line(error))
        if (folder / "run.json").exists():  # it may have failed before its record was opened
            Record(folder).update(state="failed", error={"type": type(error).__name__, "message": str(error)})
        if cfg.fail_fast:
            raise SystemExit(f"error: fail_fast=true: the sweep stops at {title}") from error
    return math.nan


def named(overrides: Sequence[str]) -> str:
    """The overrides that say what a job is, as one would type them."""
    return " ".join(override for override in overrides if not override.startswith(("hydra.", "hydra/", "sweep=")))


def _skipped(cfg: DictConfig, folder: Path, title: str) -> tuple[float | None] | None:
    """Return what a job that is not to be run gives to the sweeper, or None for one that is."""
    run = read(folder)
    if run["config_hash"] != config_hash(plain(cfg)):
        raise SystemExit(f"error: {title}: the folder holds another run: leave hydra.sweep.subdir as it is")
    if run["state"] == "done":
        log.info("%s: done already", title)
        return (run["best"]["value"],)
    if run["state"] == "failed" and not cfg.retry_failed:
        log.error("%s: failed before: %s: retry_failed=true runs it again", title, run["error"]["message"])
        return (math.nan,)
    return None


def _run(main: Main, cfg: DictConfig, folder: Path) -> float | None:
    """Call `main`; before a first start keep the config as Hydra would, but only now that the folder is held."""
    if not (folder / "run.json").exists():
        hydra = HydraConfig.instance().cfg
        assert hydra is not None
        for name, part in {"config": cfg, "hydra": hydra, "overrides": hydra.hydra.overrides.task}.items():
            keep(folder, name, part)
    return main(cfg)
