"""One job of a sweep: skipped where it is done, resumed where it was stopped, and never run by two processes."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from src.config.error import one_line
from src.config.hash import config_hash
from src.config.plain import fill, plain, taken
from src.run.continuation import CannotGoOnError
from src.run.folder import shown
from src.run.hold import HeldError, hold
from src.run.record import Record, keep, read
from src.sweep.grid import is_alone, is_grid
from src.sweep.printed import to_file
from src.view.jobs import ended, named

if TYPE_CHECKING:
    from lightning import Callback

log = logging.getLogger(__name__)
Main = Callable[[DictConfig], float | None]


@contextmanager
def held(cfg: DictConfig) -> Iterator[None]:
    """Hold the folder that Hydra gave a run while the block trains it.

    Before a first start the config is kept there as Hydra would, but only now that no other process can be in it.
    """
    folder = _folder()
    with hold(folder):
        fill(cfg)
        if not (folder / "run.json").exists():
            composed = _composed()
            parts = {"config": taken(cfg), "hydra": composed, "overrides": composed.hydra.overrides.task}
            for name, part in parts.items():
                keep(folder, name, part)
        yield


def job(main: Main, cfg: DictConfig) -> float | None:
    """Run, resume, retry or skip a job of a sweep by `main`; log one line where it is not run or fails.

    A job that is done gives its recorded value to the sweeper. One without a value (it failed, now or before, or
    another process runs it) gives NaN to a grid; a search is handed the exception, by which Optuna knows a failed
    trial. Raises SystemExit, which ends the sweep, for a failure with fail_fast, and where the folder is another run's.
    """
    hydra, folder = _composed().hydra, _folder()
    title = f"job {named(hydra.overrides.task)} in {folder}"
    try:
        with held(cfg):
            if (folder / "run.json").exists() and _is_done(cfg, folder, title):
                run = read(folder)
                log.info("%s: %s already", title, run["state"])
                return run["best"]["value"]
            if is_alone(hydra):
                return main(cfg)
            with to_file(folder / "screen.log"):
                value = main(cfg)
        log.info("%s: %s", title, ended(folder))
        return value
    except (HeldError, FailedBeforeError) as error:
        log.warning("%s: %s", title, error)
        missing: Exception = error
    except Exception as error:
        _failed(folder, title, error)
        if cfg.fail_fast:
            raise SystemExit(f"error: fail_fast=true: the sweep stops at {title}") from error
        missing = error
    if is_grid(hydra):
        return math.nan
    raise missing


class FailedBeforeError(ValueError):
    """The job failed in an earlier start of the sweep, and is not to be retried."""


def _is_done(cfg: DictConfig, folder: Path, title: str) -> bool:
    run = read(folder)
    if run["config_hash"] != config_hash(plain(cfg)):
        raise SystemExit(f"error: {title}: the folder holds another run: move it, or choose another sweep=")
    if run["state"] == "failed" and not cfg.retry_failed:
        raise FailedBeforeError(f"failed before: {run['error']['message']}: retry_failed=true runs it again")
    return run["state"] in ("done", "pruned")


def _failed(folder: Path, title: str, error: Exception) -> None:
    """Tell a failure when it happens; record it where it came before the run could, and the run is no older one."""
    logging.getLogger("src.traceback").error("", exc_info=error)
    log.error("error: %s: %s", title, one_line(error))
    if isinstance(error, CannotGoOnError):
        return
    with suppress(FileNotFoundError, ValueError):  # none yet, or a damaged one
        read(folder)
        Record(folder).update(state="failed", error={"type": type(error).__name__, "message": str(error)})


def _folder() -> Path:
    """The folder that Hydra gave the run, as one would type it."""
    return shown(Path(HydraConfig.get().runtime.output_dir))


def _composed() -> DictConfig:
    """Hydra's own part of the config, under `hydra`."""
    return cast(DictConfig, HydraConfig.instance().cfg)


def pruners(record: Record, *, monitor: str) -> list["Callback"]:
    """Return the callback that ends a hopeless run: one in a trial of a search that prunes, and else none.

    Also one where a run that was pruned goes on by itself: it is hopeless no more.
    """
    hydra, folder = HydraConfig.get(), record.path.parent.absolute()
    sweep = Path(hydra.sweep.dir).absolute()
    report: Callable[[int, float], bool] | None = None
    if hydra.mode is RunMode.MULTIRUN and (sweep / "search.journal").exists():
        from src.search.study import reporter

        report = reporter(sweep, str(folder.relative_to(sweep)))
    elif "pruned" in record.fields:
        report = lambda number, score: False  # noqa: E731
    if report is None:
        return []
    from src.fit.pruner import Pruner

    return [Pruner(report, record, monitor=monitor)]
