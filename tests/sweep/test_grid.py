"""What is known of a sweep before its first job."""

from pathlib import Path

import pytest
from hydra import initialize
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from src.run.record import read
from src.sweep.grid import jobs, runs_here
from tests.conftest import FAST, Command


@pytest.mark.parametrize(
    ("launcher", "is_here"),
    [
        ({"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}, True),
        ({"_target_": "hydra_plugins.src.sweep.joblib.Joblib"}, True),
        ({"_target_": "hydra_plugins.src.sweep.submitit.Submitit", "cluster": "local"}, True),
        ({"_target_": "hydra_plugins.src.sweep.submitit.Submitit", "cluster": "slurm"}, False),
        ({"_target_": "hydra_plugins.somebody.Cloud"}, False),
    ],
)
def test_jobs_of_a_cluster_run_elsewhere(launcher: dict[str, str], is_here: bool) -> None:
    assert runs_here(OmegaConf.create({"launcher": launcher})) is is_here


SWEEPS = [
    ["seed=0,1", "model=a,b"],
    ["seed=range(3)", "tags=[x,y]", "~callback.early"],
    ["seed=0", "seed=1,2", "+a=choice(1,[2,3],{b:4})"],
    ["text='a,b','c'", "x=sort(3,1,2)", "y=null,true"],
    ["seed=1"],
    [],
]


@pytest.mark.parametrize("words", SWEEPS, ids=" ".join)
def test_the_jobs_of_a_grid_are_those_that_hydra_runs(words: list[str]) -> None:
    with initialize(version_base="1.3", config_path=None):
        hydra = OmegaConf.create({"sweeper": {"params": {"seed": "7,8"}}, "overrides": {"task": words}})
        parsed = OverridesParser.create().parse_overrides(["seed=7,8", *words])
        assert [jobs(hydra)] == BasicSweeper.split_arguments(parsed, max_batch_size=None)


def test_hardware_is_looked_for_where_the_jobs_run(train: Command) -> None:
    asks = ("-m", *FAST, "trainer.accelerator=cpu", "trainer.devices=1,9")
    assert "trainer.devices=9: " in train(*asks).error
    elsewhere = train(*asks, "hydra.launcher._target_=hydra_plugins.somebody.Cloud")
    assert "trainer.devices=9: " not in elsewhere.err
    assert "somebody.Cloud" in elsewhere.err  # which there is not: all before it has passed


def test_the_jobs_of_a_glob_are_checked_before_the_first(train: Command, tmp_path: Path) -> None:
    error = train("-m", "debug=fast", "experiment=glob(gate_*)", "model.net.widths=[4]").error
    assert "experiment=gate_and" in error
    assert "takes no argument 'widths'" in error
    assert list(tmp_path.iterdir()) == []


def test_the_jobs_of_a_glob_are_counted_after_the_last(train: Command, tmp_path: Path) -> None:
    ended = train("-m", *FAST, "data=glob([mnist,digits])", f"data_dir={tmp_path / 'nothing'}")
    assert "1 of 2 jobs failed" in ended.err
    assert ended.code == 1
    assert sorted(read(run)["state"] for run in ended.runs) == ["done", "failed"]
    assert "data=mnist" in ended.out


@pytest.mark.parametrize("nothing", ["seed=range(0,0)", "data=glob(nothing*)", "model=glob(*,exclude=*)"])
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_sweep_of_nothing_is_an_error(nothing: str, launcher: str, train: Command, tmp_path: Path) -> None:
    error = train("-m", "debug=fast", nothing, f"hydra/launcher={launcher}").error
    assert nothing in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "values", ["model=choice(softmax_regression,lenet)", "optimizer.lr=range(-1,2)", "model.metrics=[accuracy],[f2]"]
)
def test_a_bad_value_is_found_in_every_form_of_a_sweep(values: str, train: Command, tmp_path: Path) -> None:
    error = train("-m", "model=softmax_regression", "debug=fast", values, "hydra/launcher=joblib").error
    assert values.partition("=")[0] in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [[], ["-m"]])
def test_an_exception_of_anybodys_callback_is_the_one_line(mode: list[str], train: Command, tmp_path: Path) -> None:
    error = train(*FAST, *mode, "+hydra.callbacks.theirs._target_=tests.sweep.broken.Broken").error
    assert "Broken.on_" in error
    assert "out of order" in error
    assert not list(tmp_path.rglob("run.json"))
