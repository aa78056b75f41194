"""A search: trials chosen out of a space, run as the jobs of a sweep, and the best one written as an experiment."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from src.config.compose import compose
from src.config.error import one_line
from src.config.hash import relevant
from src.config.plain import plain
from src.run.hold import hold
from src.search.best import write_best
from src.search.plan import Settings, at_once, own, random_trials, read_settings
from src.search.space import read_space
from src.view.jobs import Sweep, begin


class Search(Sweeper):
    """Runs the trials of a search: those that are done are skipped, those that were stopped go on."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what the command composed."""
        self.composed = config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials that are missing; write the best one's experiment file."""
        settings = read_settings(self.composed)
        self.mode = plain(_own(self.composed))["mode"]
        self.folder, self.common = Path(self.composed.hydra.sweep.dir), own(arguments)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.jobs: list[tuple[Path, list[str]]] = []  # what the table at the end shows
        if settings.sampler:
            with hold(self.folder):
                self._ask_and_tell(settings)
        else:
            trials = random_trials(settings)
            self._report({self._place(words): words for words in trials})
            self._launch(trials, first=0)
        write_best(self.composed, self.jobs, mode=self.mode)

    def _ask_and_tell(self, settings: Settings) -> None:
        from src.search.study import Trials

        trials = Trials(self.folder, settings, mode=self.mode, identity=identity(self.composed, settings))
        if self.composed.retry_failed:
            trials.retry_failed()
        self._report(trials.placed())
        for batch in trials.batches(at_once(settings, self.launcher, self.composed.hydra.launcher)):
            for trial in batch:
                trials.place(trial, self._place(trial.overrides))
            self._report(trials.placed())
            self._launch([trial.overrides for trial in batch], first=batch[0].asked.number)
            for trial in batch:
                trials.tell(trial)

    def _place(self, words: Sequence[str]) -> str:
        """The folder of a trial's run, seen from the sweep's."""
        return compose(self.composed, 0, [*self.common, *words]).hydra.sweep.subdir

    def _report(self, trials: Mapping[str, Sequence[str]]) -> None:
        self.jobs[:] = [(self.folder / place, [*self.common, *words]) for place, words in trials.items()]
        begin(Sweep(self.folder, self.jobs, mode=self.mode))

    def _launch(self, trials: Sequence[Sequence[str]], *, first: int) -> None:
        """Run trials; say which could not even begin, or lost their process: their run folders tell how they stand."""
        jobs = [[*self.common, *words] for words in trials]
        for words, result in zip(trials, self.launcher.launch(jobs, initial_job_idx=first), strict=True):
            try:
                _ = result.return_value
            except Exception as error:
                print(f"error: trial {' '.join(words)}: {one_line(error)}", file=sys.stderr)


def identity(config: DictConfig, settings: Settings) -> dict[str, Any]:
    """Return what makes two searches one: their space, and all in the config that changes a result."""
    space = {name: asdict(dimension) for name, dimension in read_space(settings.space).items()}
    return {"search": {"space": space}, **relevant(plain(_own(config)))}


def _own(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
