"""Searches: what they choose, what is kept, pruned, told and gone on with, and the experiment they end in."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus

from src.run.record import read
from tests.conftest import FAST, ROOT, Command
from tests.test_sweep import done, files, scores, start, states, table, wait_until
from tests.toy import mnist_files

HEAD = "# @package _global_\ndefaults: [override /hydra/sweeper: search]\n"
RANDOM = {"name": "RandomSampler"}
TPE = {"name": "TPESampler", "n_startup_trials": 2}
Write = Callable[..., tuple[str, ...]]


@pytest.fixture
def search(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Write a search file outside of the test's folder; return the arguments that choose it, as the sweep `found`."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "search").mkdir()

    def write(space: dict[str, Any], **settings: Any) -> tuple[str, ...]:
        node = json.dumps({"space": space, "trials": 2, "sampler": RANDOM, **settings})
        (folder / "search" / "own.yaml").write_text(f"{HEAD}search: {node}\n")
        return "-m", "--config-dir", str(folder), "search=own", "sweep=found"

    return write


def told(folder: Path) -> list[str]:
    """The states of the trials in a search's journal."""
    import optuna

    from src.search.journal import storage

    return [trial.state.name for trial in optuna.load_study(study_name="search", storage=storage(folder)).trials]


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """The sweep's folder."""
    return tmp_path / "outputs" / "sweeps" / "found"


LR = {"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "data.batch_size": [16, 32]}


def test_a_search_at_random_needs_no_optuna_and_keeps_its_trials_when_it_gets_more(
    train: Command, search: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)  # as if it were not installed
    first = train(*search(LR, sampler=None), *FAST)
    assert first.code == 0, first.err
    before = {run: files(run) for run in first.runs}

    more = train(*search(LR, sampler=None, trials=3), *FAST)

    assert len(before) == 2
    assert len(more.runs) == 1
    assert {run: files(run) for run in before} == before
    assert set(states(first.out)) < set(states(more.out))


@pytest.mark.parametrize(("monitor", "mode"), [("val/loss", "min"), ("val/accuracy", "max")])
def test_the_table_is_best_first_and_the_best_is_an_experiment_with_the_same_config(
    monitor: str, mode: str, train: Command, search: Write, found: Path, tmp_path: Path
) -> None:
    space = {
        "net": [{"model": "softmax_regression"}, {"model": "mlp", "model.net.widths": [8]}],
        "optimizer.lr": [1e-3, 0.1],
    }
    given = ("debug=fast", "optimizer=sgd", "optimizer.momentum=0.9", "seed=3", f"monitor={monitor}")
    ended = train(*search(space, trials=6), *given, "+callback=ema")
    assert ended.code == 0, ended.err
    values = [float(metric.removeprefix(f"{monitor} ")) for _, metric, _ in table(ended.out).values()]
    assert len(values) >= 3  # of 4: what is drawn again is done already
    assert values == sorted(values, reverse=mode == "max")

    pick = max if mode == "max" else min
    best = pick(ended.runs, key=lambda run: read(run)["best"]["value"])
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    shutil.copy(found / "best.yaml", tmp_path / "mine" / "experiment" / "best.yaml")
    again = train("--config-dir", str(tmp_path / "mine"), "experiment=best")
    assert read(again.run)["config_hash"] == read(best)["config_hash"]
    assert read(again.run)["best"]["value"] == read(best)["best"]["value"]
    header = (found / "best.yaml").read_text().splitlines()[:3]
    assert header[1] == "# python -m src.train experiment=best"
    assert f"{monitor} {read(best)['best']['value']:.4f} (seed 3)" in header[2]
    assert f"best: {monitor}" in ended.out


def test_a_trial_is_recorded_as_the_run_that_one_would_have_typed(train: Command, search: Write) -> None:
    trial = train(*search({"optimizer.lr": [0.02]}, trials=1), *FAST).run
    typed = train(*FAST, "optimizer.lr=0.02").run
    assert read(trial)["config_hash"] == read(typed)["config_hash"]
    assert read(trial)["overrides"] == ["sweep=found", *FAST, "optimizer.lr=0.02"]


def test_the_same_command_again_runs_nothing_and_more_trials_are_added(
    train: Command, search: Write, found: Path
) -> None:
    first = train(*search(LR, sampler=TPE), *FAST)
    before = files(found)
    again = train(*search(LR, sampler=TPE), *FAST)
    assert (again.code, again.runs) == (0, [])
    changed = {path.name for path, content in files(found).items() if before.get(path) != content}
    assert changed <= {"best.yaml"}
    assert states(again.out) == states(first.out)

    more = train(*search(LR, sampler=TPE, trials=3), *FAST)
    assert len(more.runs) == 1
    assert told(found) == ["COMPLETE"] * 3
    assert set(states(first.out)) < set(states(more.out))


@pytest.mark.slow
def test_a_search_made_longer_chooses_what_it_would_have_chosen_at_once(
    train: Command, search: Write, tmp_path: Path
) -> None:
    whole = train(*search(LR, sampler=TPE, trials=4), *FAST, "sweep=whole")
    for trials in (3, 4):
        parts = train(*search(LR, sampler=TPE, trials=trials), *FAST, "sweep=parts")
    assert states(parts.out) == states(whole.out)


PRUNED = {"optimizer.lr": [0.03, 1e-6]}  # a loss of 0.3 after an epoch, and one of 2.3
ABOVE_1 = {"name": "ThresholdPruner", "upper": 1.0}


def test_a_hopeless_trial_is_ended_and_shown_as_pruned_and_can_be_trained_on(
    train: Command, report: Command, search: Write, found: Path
) -> None:
    given = (*search(PRUNED, pruner=ABOVE_1, trials=3), "model=softmax_regression", "trainer.max_epochs=3")
    ended = train(*given)
    assert ended.code == 0, ended.err
    assert states(ended.out) == {"optimizer.lr=0.03": "done", "optimizer.lr=1e-06": "pruned"}
    (run,) = [run for run in ended.runs if read(run)["state"] == "pruned"]
    record = read(run)
    assert (record["epochs"], record["error"]) == (1, None)
    assert record["pruned"]["value"] == record["best"]["value"] > 1
    assert "test/loss" not in record["metrics"]
    assert set(told(found)) == {"COMPLETE", "PRUNED"}
    assert f"{run.name}: pruned" in report(f"run={found}").out

    before = files(run)
    assert train(*given).code == 0
    assert files(run) == before

    assert train(f"run={run}").code == 0
    assert (read(run)["state"], read(run)["epochs"], "pruned" in read(run)) == ("done", 3, False)


def test_a_failed_trial_is_told_and_the_search_goes_on_and_can_retry_it(
    train: Command, search: Write, found: Path, tmp_path: Path
) -> None:
    given = (
        *search({"data": ["mnist", "digits"]}, trials=3),
        *FAST,
        "data.batch_size=4",
        f"data_dir={tmp_path / 'toy'}",
    )
    first = train(*given)
    assert first.code == 1
    assert states(first.out) == {"data=digits": "done", "data=mnist": "failed"}
    before = told(found)
    assert set(before) == {"COMPLETE", "FAIL"}

    again = train(*given)
    assert (again.code, again.runs, told(found)) == (1, [], before)

    mnist_files(tmp_path / "toy")
    cured = train(*given, "retry_failed=true")
    assert cured.code == 0, cured.err
    assert set(states(cured.out).values()) == {"done"}
    after = told(found)
    assert after == before + ["COMPLETE"] * before.count("FAIL")
    train(*given, "retry_failed=true")
    assert told(found) == after


class Loses(BasicLauncher):
    """A launcher to which the process of the first trial dies."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs but for the first one."""
        if initial_job_idx:
            return super().launch(job_overrides, initial_job_idx)
        return [JobReturn(status=JobStatus.FAILED, _return_value=RuntimeError("killed by SIGKILL"))]


def test_a_trial_that_could_not_begin_is_told_of_and_run_by_the_next_start(
    train: Command, search: Write, found: Path
) -> None:
    name = "hydra_plugins.tests.Loses"
    Plugins.instance().class_name_to_class[name] = Loses
    ended = train(*search(LR), *FAST, f"hydra.launcher._target_={name}")
    assert told(found) == ["RUNNING", "COMPLETE"]
    assert re.search("error: trial optimizer.lr=.*killed by SIGKILL", ended.err)
    assert ended.code == 1
    assert sorted(states(ended.out).values()) == ["done", "not started"]
    assert train(*search(LR), *FAST).code == 0
    assert told(found) == ["COMPLETE"] * 2


BAD: dict[str, tuple[list[str], list[str]]] = {  # arguments: what the line names
    "an unknown key": (["search.space.optimizer.lrr=[0.1]"], ["search.space.optimizer.lrr", "did you mean lr?"]),
    "an unknown key at the top": (["search.space.modle=[mlp]"], ["search.space.modle", "did you mean mode"]),
    "an unknown option": (["search.space.optimizer=[adam,sdg]"], ["search.space.optimizer", "did you mean sgd?"]),
    "a value that cannot be": (["search.space.data.batch_size=[0]"], ["data.batch_size=0", "at least 1"]),
    "low above high": (["search.space.optimizer.lr.low=1"], ["search.space.optimizer.lr", "low=1", "high=0.1"]),
    "a logarithm of 0": (["search.space.optimizer.lr.low=0"], ["search.space.optimizer.lr", "low=0"]),
    "an empty list": (["search.space.data.batch_size=[]"], ["search.space.data.batch_size=[]"]),
    "what changes no result": (["search.space.test=[true,false]"], ["search.space.test", "changes nothing"]),
    "no trials": (["search.trials=0"], ["search.trials=0", "at least 1"]),
    "no jobs": (["search.jobs=0"], ["search.jobs=0", "at least 1"]),
    "an unknown setting": (["search.trails=3"], ["search.trails=3", "did you mean trials?"]),
    "a sampler without its package": (["search.sampler.name=CmaEsSampler"], ["pip install cmaes"]),
    "an unknown sampler": (["search.sampler.name=TPSampler"], ["search.sampler.name=TPSampler", "TPESampler?"]),
    "an unknown argument": (["search.sampler.startup=1"], ["search.sampler.startup=1", "TPESampler"]),
    "an unknown pruner": (["search.pruner.name=MedainPruner"], ["search.pruner.name", "did you mean MedianPruner?"]),
    "a key of the space": (["optimizer.lr=0.1"], ["optimizer.lr=0.1", "the search chooses optimizer.lr"]),
    "a grid": (["seed=0,1"], ["seed=0,1", "search.space.seed="]),
    "a monitor that is not validated": (["monitor=train/loss"], ["search.pruner", "monitor=train/loss"]),
    "a pruner without a sampler": (["search.sampler=null"], ["search.pruner", "search.sampler.name="]),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_the_first_trial(
    arguments: list[str], named: list[str], train: Command, tmp_path: Path
) -> None:
    error = train("-m", "search=optuna_lr", *FAST, *arguments).error
    for word in named:
        assert word in error
    assert list(tmp_path.iterdir()) == []


def test_without_m_a_search_says_to_add_it(train: Command, tmp_path: Path) -> None:
    error = train("search=optuna_lr", *FAST).error
    assert "search=optuna_lr" in error
    assert "add -m" in error
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_a_search_names_the_extra(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "optuna" or name == "src.search.study"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "src.search.journal", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    error = train("-m", "search=optuna_lr", *FAST).error
    assert "optuna" in error
    assert "[sweep]" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["monitor=val/accuracy"], ["monitor=val/loss instead of val/accuracy"]),
        (["seed=7"], ["seed=0 instead of 7"]),
        (["search.space.optimizer.lr=[0.1]"], ["search.space.optimizer.lr"]),
    ],
)
def test_a_folder_with_another_search_is_named_with_what_differs_and_left_alone(
    change: list[str], named: list[str], train: Command, search: Write, found: Path
) -> None:
    given = (*search({"optimizer": {"lr": [0.03, 0.1]}}, trials=1), *FAST)
    train(*given)
    before = files(found)
    error = train(*given, *change).error
    for word in ["outputs/sweeps/found", "another search", "sweep=", *named]:
        assert word in error
    assert files(found) == before


@pytest.mark.slow
def test_the_searches_that_come_with_the_project_run(train: Command) -> None:
    for name in ("optuna_lr", "optuna_architecture", "random"):
        model = () if name == "optuna_architecture" else ("model=softmax_regression",)
        ended = train("-m", f"search={name}", "search.trials=1", *model, "debug=fast", f"sweep={name}")
        assert (ended.code, len(ended.runs)) == (0, 1), ended.err


PRUNES = ("search.pruner.n_startup_trials=1", "search.pruner.n_warmup_steps=0", "search.sampler.n_startup_trials=2")
FOUR = ("-m", "search=optuna_lr", "search.trials=4", *PRUNES, "model=softmax_regression", "trainer.max_epochs=3")


@pytest.mark.soak
def test_wherever_a_search_is_killed_the_same_command_ends_it_the_same(tmp_path: Path) -> None:
    killed = [sys.executable, "-W", "ignore", "-m", "tests.sweep.killed", str(tmp_path), "12", *FOUR, "sweep=killed"]
    ended = subprocess.run(killed, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    whole, *others = (folder / "outputs" / "sweeps" / "killed" for folder in sorted(tmp_path.iterdir(), reverse=True))
    assert len(others) >= 12
    expected = scores(whole)
    assert {state for state, *_ in expected.values()} == {"done", "pruned"}
    for sweep in others:
        assert scores(sweep) == expected
        assert len(told(sweep)) - told(sweep).count("FAIL") == 4
        assert best(sweep) == best(whole)


def best(sweep: Path) -> list[str]:
    """The experiment file, without how long its run took."""
    return [line for line in (sweep / "best.yaml").read_text().splitlines() if " s on " not in line]


@pytest.mark.slow
def test_a_killed_search_goes_on_in_the_run_folder_that_it_was_in(train: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "outputs" / "sweeps" / "killed"
    given = (*FOUR, "search.pruner=null", "trainer.max_epochs=30", "sweep=killed")
    process = start(tmp_path, *given)
    wait_until(lambda: len(done(sweep)) == 1 and len(list(sweep.glob("*/checkpoints/last.ckpt"))) == 2, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    (finished,) = done(sweep)
    (stopped,) = [path.parent for path in sweep.glob("*/run.json") if read(path.parent)["state"] == "running"]
    before = files(finished)

    ended = train(*given)

    assert ended.code == 0, ended.err
    assert files(finished) == before
    assert f"run={stopped.relative_to(tmp_path)} goes on from step" in ended.err
    assert told(sweep) == ["COMPLETE"] * 4
    assert len(done(sweep)) == 4


@pytest.mark.slow
def test_a_second_process_is_refused_while_a_search_runs(train: Command, tmp_path: Path) -> None:
    given = (*FOUR, "sweep=shared")
    process = start(tmp_path, *given)
    wait_until(lambda: (tmp_path / "outputs" / "sweeps" / "shared" / "search.journal").exists(), process)
    assert f"process {process.pid}" in train(*given).err.splitlines()[-1]
    assert process.wait(timeout=300) == 0


@pytest.mark.slow
def test_two_trials_at_once_prune_each_other_through_the_journal(train: Command, search: Write, found: Path) -> None:
    import optuna

    from src.search.journal import storage

    given = search(LR, sampler=TPE, trials=4, pruner={"name": "MedianPruner", "n_startup_trials": 1})
    given += ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "model=softmax_regression", "trainer.max_epochs=3")
    ended = train(*given)
    assert ended.code == 0, ended.err
    trials = optuna.load_study(study_name="search", storage=storage(found)).trials
    assert all(next(iter(trial.intermediate_values)) == 1 for trial in trials)
    assert "PRUNED" in told(found)
    assert set(states(ended.out).values()) == {"done", "pruned"}
    first, second, third, _ = (trial.datetime_start for trial in trials)
    assert (second - first).total_seconds() < 1  # chosen together
    assert third > max(trial.datetime_complete for trial in trials[:2])
