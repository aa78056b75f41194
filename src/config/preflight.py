"""Checks every job before the first one starts and claims the run folder, before Hydra writes.

Hydra turns an exception of a callback into a warning and goes on; SystemExit passes, and carries the one line to
print.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from src.config.check import check
from src.config.command import one_line
from src.config.schema import check_top
from src.run.folder import OUTPUTS, claim, unused


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
        """Check every job of a grid sweep."""
        loader = GlobalHydra.instance().config_loader()
        for overrides in jobs(list(config.hydra.overrides.task)):
            with one_line_errors(f"job {' '.join(overrides)}: "):
                check(job(loader.load_sweep_config(config, overrides)))


def jobs(overrides: list[str]) -> Iterator[list[str]]:
    """Yield the overrides of each job that a grid of comma-separated values stands for."""
    choices = []
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.is_sweep_override():
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            choices.append([override.input_line or ""])
    yield from (list(job) for job in product(*choices))


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
