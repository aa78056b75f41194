"""Checks every job before the first one starts and claims the run folder, before Hydra writes.

Hydra turns an exception of a callback into a warning and goes on; SystemExit passes, and carries the one line to
print.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from src.command.check import GROUPS, check
from src.config.compose import compose
from src.config.error import one_line
from src.config.hash import config_hash
from src.config.plain import plain
from src.config.schema import Train, check_top
from src.run.folder import OUTPUTS, claim, unused
from src.run.write import check_writable
from src.sweep.grid import is_grid, jobs, runs_here
from src.sweep.plugin import make_known
from src.view.jobs import Sweep, begin, named


class Preflight(Callback):
    """Checks `groups` of a run or of every job of a sweep; `claims` says whether the command makes run folders.

    With `alone` it takes one device, whatever the trainer that a run recorded had.
    """

    def __init__(self, *, claims: bool, groups: Sequence[str] = GROUPS, alone: bool = False):
        self.claims = claims
        self.groups = groups
        self.alone = alone

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        """Check the run; give it a folder that no other run has."""
        with one_line_errors():
            if self.claims and config.get("search"):
                raise ValueError(f"search={config.hydra.runtime.choices.search}: a search is several runs: add -m")
            typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
            check(job(config), groups=self.groups, typed=typed, is_alone=self.alone)
            if self.claims and config.run is None:
                folder = OmegaConf.to_container(config.hydra.run)["dir"]  # type: ignore[index, call-overload]
                place = OUTPUTS if folder == "${run}" else Path(config.hydra.run.dir)
                check_writable(place, cure="hydra.run.dir=DIR puts the run elsewhere")
                config.run = str(claim() if place is OUTPUTS else unused(place))

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        """Check every job of a grid; of a search, whose jobs nobody knows yet, what they have in common."""
        if not self.claims and OmegaConf.get_type(config) is Train:
            raise SystemExit(
                f"error: run={config.run} with -m: a run goes on alone, without -m, and a sweep by its command"
            )
        with one_line_errors():
            if self.claims:
                check_writable(Path(config.hydra.sweep.dir), cure="hydra.sweep.dir=DIR puts the runs elsewhere")
            make_known("hydra.launcher", config.hydra.launcher)
            make_known("hydra.sweeper", config.hydra.sweeper)
            if config.get("search"):
                self._check_search(config)
                return
            found = self._check_grid(config) if is_grid(config.hydra) else None
            if found is None:
                typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
                check(job(config), groups=self.groups, typed=typed, is_here=runs_here(config.hydra))
            if self.claims:
                begin(Sweep(Path(config.hydra.sweep.dir), found))

    def _check_grid(self, config: DictConfig) -> list[tuple[Path, list[str]]]:
        """Return the folder and the overrides of each job of a grid, all of which are checked."""
        found = []
        for number, overrides in enumerate(jobs(config.hydra)):
            with one_line_errors(f"job {named(overrides)}: "):
                composed = compose(config, number, overrides)
                check(job(composed), groups=self.groups, typed=overrides, is_here=runs_here(config.hydra))
                found.append((Path(config.hydra.sweep.dir) / composed.hydra.sweep.subdir, overrides))
        return found

    def _check_search(self, config: DictConfig) -> None:
        """Check what a search says and what it may set; its trials are told about by the search itself."""
        from src.search.plan import checks, read_settings

        settings = read_settings(config)
        hashes: dict[str, list[str]] = {}
        for title, overrides in checks(config, settings):
            with one_line_errors(f"{title}: "):
                composed = job(compose(config, 0, overrides))
                check(composed, groups=self.groups, typed=overrides, is_here=runs_here(config.hydra))
                hashes.setdefault(title, []).append(config_hash(plain(composed)))
        for title, found in hashes.items():
            if len(found) > 1 and len(set(found)) == 1:
                raise SystemExit(f"error: {title}: it changes nothing in a run's result: take it out of search.space")


def job(config: DictConfig) -> DictConfig:
    """Return a copy of a config without Hydra's part, and with a run folder where none is claimed yet."""
    if "hydra" in config and config.hydra.job.chdir:
        raise ValueError("hydra.job.chdir=true: paths are those of the folder where a command starts: leave it out")
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
