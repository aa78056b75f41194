"""Checks every job before the first one starts and claims the run folder, before Hydra writes.

Hydra turns an exception of a callback into a warning and goes on; SystemExit passes, and carries the one line to
print.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from src.config.check import check
from src.config.command import one_line
from src.config.schema import check_top
from src.run.folder import OUTPUTS, claim, unused
from src.sweep.end import Sweep, begin
from src.sweep.job import named


class Preflight(Callback):
    """Checks a run or every job of a sweep; `claims` says whether the command makes run folders."""

    def __init__(self, *, claims: bool):
        self.claims = claims

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        """Check the run; give it a folder that no other run has."""
        with one_line_errors():
            check(job(config))
            if self.claims and config.run is None:
                folder = OmegaConf.to_container(config.hydra.run)["dir"]  # type: ignore[index, call-overload]
                config.run = str(claim() if folder == "${run}" else unused(Path(config.hydra.run.dir)))

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        """Check every job of a grid; of other sweeps, whose jobs only the sweeper knows, what they have in common."""
        folder, is_grid = Path(config.hydra.sweep.dir), config.hydra.sweeper._target_.endswith(".BasicSweeper")
        jobs = []
        if not is_grid:
            with one_line_errors():
                check(job(config))
        for overrides, composed in grid(config) if is_grid else ():
            with one_line_errors(f"job {named(overrides)}: "):
                check(job(composed))
                jobs.append((folder / composed.hydra.sweep.subdir, overrides))
        if self.claims:
            begin(Sweep(folder, jobs if is_grid else None))


def grid(config: DictConfig) -> Iterator[tuple[list[str], DictConfig]]:
    """Yield the overrides and the config of each job that Hydra's own sweeper will make of comma-separated values."""
    loader = GlobalHydra.instance().config_loader()
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    given += config.hydra.overrides.task
    (jobs,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(given), max_batch_size=None)
    for number, overrides in enumerate(jobs):
        with one_line_errors(f"job {named(overrides)}: "):
            composed = loader.load_sweep_config(config, overrides)
        with open_dict(composed):
            composed.hydra.job.num = composed.hydra.job.id = number
        yield overrides, composed


def job(config: DictConfig) -> DictConfig:
    """Return a copy of a config without Hydra's part, and with a run folder where none is claimed yet."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    check_top(own, OmegaConf.get_type(config))  # type: ignore[arg-type]
    own.run = own.run or str(OUTPUTS)
    return own


@contextmanager
def one_line_errors(prefix: str = "") -> Iterator[None]:
    """Turn an error into the end of the program with its one line.

    The command shows the cause where that is wanted.
    """
    try:
        yield
    except Exception as error:
        raise SystemExit(f"error: {prefix}{one_line(error)}") from error
