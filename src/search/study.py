"""The trials of a search by Optuna: asked for, told how they ended, gone on with where a search was stopped."""

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from src.config.signature import check_call
from src.run.standing import fields
from src.search.journal import storage
from src.search.plan import Node, Settings
from src.search.space import overrides, read_space

STUDY = "search"
# Those that stop a study of themselves when all is tried, as a grid does without a search, or need another sampler.
NOT_TAKEN = ("BruteForceSampler", "GridSampler", "PartialFixedSampler")
IDENTITY, PRUNER, FOLDER, RETRIES = "identity", "pruner", "folder", "retries"  # what the journal says beside values


@dataclass(frozen=True)
class Trial:
    """A trial to run: Optuna's side of it, and what it sets."""

    asked: optuna.trial.Trial
    overrides: list[str]


class Trials:
    """The trials of the search in `folder`: those that have begun and not ended come first, then new ones.

    `identity` is what the search is about; raises ValueError where the folder holds a search about something else.
    """

    def __init__(self, folder: Path, settings: Settings, *, mode: str, identity: Node):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.settings, self.space = folder, settings, read_space(settings.space)
        self.study = _study(folder, mode)
        attributes = self.study.user_attrs
        if found := list(_differences(attributes.get(IDENTITY, identity), identity)):
            raise ValueError(f"{folder} holds another search, with {'; '.join(found[:3])}: choose another sweep=")
        if IDENTITY not in attributes:
            self.study.set_user_attr(IDENTITY, identity)
        if attributes.get(PRUNER) != settings.pruner:
            self.study.set_user_attr(PRUNER, settings.pruner)
        for trial in self._all(TrialState.RUNNING):
            if FOLDER not in trial.user_attrs:  # killed while its values were chosen: they will be chosen anew
                abandoned = optuna.trial.Trial(self.study, trial._trial_id)
                abandoned.set_user_attr(RETRIES, trial.number)
                self.study.tell(abandoned, state=TrialState.FAIL)

    def retry_failed(self) -> None:
        """Let the trials that failed run again, each once: a new trial with the same values stands for it."""
        retried = self._retried()
        for failed in self._all(TrialState.FAIL):
            if failed.number not in retried:
                again = optuna.trial.create_trial(
                    state=TrialState.RUNNING,
                    params=failed.params,
                    distributions=failed.distributions,
                    user_attrs={**failed.user_attrs, RETRIES: failed.number},
                )
                self.study.add_trial(again)

    def batches(self, size: int) -> Iterator[list[Trial]]:
        """Yield the trials to run, `size` at a time, until there are as many as there were to be.

        A batch is to be placed, run and told before the next is asked for.
        """
        trials = self._to_run()
        while batch := list(islice(trials, size)):
            yield batch

    def _to_run(self) -> Iterator[Trial]:
        for begun in self._all(TrialState.RUNNING):
            yield self._suggested(optuna.trial.Trial(self.study, begun._trial_id))
        while (position := len(self._all()) - len(self._retried())) < self.settings.trials:
            # Draws depend on the position, not on how often the search was started.
            seed = int(sha256(f"{self.settings.seed} {position}".encode()).hexdigest()[:8], 16)
            self.study.sampler = sampler(self.settings.sampler, seed=seed)
            yield self._suggested(self.study.ask())

    def place(self, trial: Trial, folder: str) -> None:
        """Say in which run folder, seen from the sweep's, a trial runs: by it the run finds its trial."""
        trial.asked.set_user_attr(FOLDER, folder)

    def placed(self) -> dict[str, list[str]]:
        """Return the run folder of each trial so far, with what the trial sets."""
        trials = [trial for trial in self._all() if FOLDER in trial.user_attrs]
        return {trial.user_attrs[FOLDER]: overrides(self.space, trial.params) for trial in trials}

    def tell(self, trial: Trial) -> None:
        """Tell Optuna how a trial's run ended; nothing where it has not, so that the next start goes on with it."""
        run = fields(self.folder / trial.asked.user_attrs[FOLDER])
        value = (run.get("best") or {}).get("value")
        if run["state"] == "done" and value is not None and math.isfinite(value):
            self.study.tell(trial.asked, value)
        elif run["state"] == "pruned":
            self.study.tell(trial.asked, state=TrialState.PRUNED)
        elif run["state"] in ("done", "failed", "damaged"):
            self.study.tell(trial.asked, state=TrialState.FAIL)

    def _suggested(self, asked: optuna.trial.Trial) -> Trial:
        point = {name: dimension.suggest(name, asked) for name, dimension in self.space.items()}
        return Trial(asked, overrides(self.space, point))

    def _all(self, *states: TrialState) -> list[optuna.trial.FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _retried(self) -> set[int]:
        return {trial.user_attrs[RETRIES] for trial in self._all() if RETRIES in trial.user_attrs}


def reporter(sweep: Path, folder: str) -> Callable[[int, float], bool] | None:
    """Return a function that reports a trial's score after a validation and tells whether the trial is hopeless.

    The trial is the one that runs in `folder`, seen from its sweep's; None where there is none, or nothing prunes. The
    function is called with the number of validations so far, from 1, and the score.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name=STUDY, storage=storage(sweep))
    node = study.user_attrs.get(PRUNER)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    mine = [trial._trial_id for trial in running if trial.user_attrs.get(FOLDER) == folder]
    if not node or not mine:
        return None
    judge = pruner(node)

    def report(number: int, score: float) -> bool:
        if number not in study._storage.get_trial(mine[0]).intermediate_values:  # a run that goes on repeats its last
            study._storage.set_trial_intermediate_value(mine[0], number, score)
        return judge.prune(study, study._storage.get_trial(mine[0]))

    return report


def sampler(node: Mapping[str, Any] | None, *, seed: int) -> optuna.samplers.BaseSampler:
    """Return the sampler that `search.sampler` names; a seed in it goes before `seed`."""
    return _part("sampler", optuna.samplers, node or {}, seed=seed)


def pruner(node: Mapping[str, Any] | None) -> optuna.pruners.BasePruner:
    """Return the pruner that `search.pruner` names, for null one that ends nothing."""
    return _part("pruner", optuna.pruners, node or {"name": "NopPruner"})


def _study(folder: Path, mode: str) -> optuna.Study:
    kept = storage(folder)
    if STUDY in optuna.get_all_study_names(kept):
        return optuna.load_study(study_name=STUDY, storage=kept)
    return optuna.create_study(study_name=STUDY, storage=kept, direction=f"{mode}imize")  # type: ignore[arg-type]


def _part(kind: str, module: ModuleType, node: Mapping[str, Any], **defaults: Any) -> Any:
    names = [name for name in module.__all__ if name.endswith(kind.capitalize()) and not name.startswith("Base")]
    names = [name for name in names if name not in NOT_TAKEN]
    name = str(node.get("name"))
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(names)}"
        raise ValueError(f"search.{kind}.name={name}: no {kind} that a search takes: {hint}")
    call = getattr(module, name)
    taken = {key: value for key, value in defaults.items() if key in inspect.signature(call).parameters}
    arguments = taken | {key: value for key, value in node.items() if key != "name"}
    check_call(f"search.{kind}", arguments, call, elsewhere=lambda key: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # the user chose it
        return call(**arguments)


def _differences(stored: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(stored, dict) and isinstance(now, dict):
        for key in [*now, *(key for key in stored if key not in now)]:
            yield from _differences(stored.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif stored != now:
        yield f"{path}={stored} instead of {now}"
