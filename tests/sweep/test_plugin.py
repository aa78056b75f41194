"""Launchers are found by their words, extras are named where they lack, and the plugins of others cost nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FAST, ROOT, Command

SWEEP = ("-m", *FAST, "seed=0,1", "sweep=s")


@pytest.mark.parametrize(
    ("launcher", "package"), [("joblib", "joblib"), ("local_gpus", "cloudpickle"), ("submitit_slurm", "submitit")]
)
def test_a_package_that_lacks_is_named_with_its_extra(
    launcher: str, package: str, train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(f"src.sweep.{launcher.split('_')[0]}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    error = train(*SWEEP, f"hydra/launcher={launcher}").error
    assert f"hydra.launcher needs the package {package}: pip install '.[sweep]'" in error
    assert list(tmp_path.iterdir()) == []


BAD = {
    "no such setting": (["hydra/launcher=joblib", "hydra.launcher.job=2"], ["hydra.launcher.job", "n_jobs"]),
    "a wrong type": (["hydra/launcher=joblib", "hydra.launcher.n_jobs=two"], ["hydra.launcher.n_jobs='two'", "int"]),
    "no job at once": (["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], ["hydra.launcher.n_jobs=0", "-1"]),
    "no place": (["hydra/launcher=local_gpus", "hydra.launcher.slots=0"], ["hydra.launcher.slots=0", "at least 1"]),
    "none of submitit's": (
        ["hydra/launcher=submitit_local", "hydra.launcher.array_parallelism=0"],
        ["hydra.launcher.array_parallelism=0", "at least 1"],
    ),
    "no SLURM": (["hydra/launcher=submitit_slurm"], ["hydra/launcher=submitit_slurm", "sbatch"]),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_a_launcher_that_cannot_be_is_refused_in_one_line_before_the_first_job(
    arguments: list[str], named: list[str], train: Command, tmp_path: Path
) -> None:
    error = train(*SWEEP, *arguments).error
    for word in named:
        assert word in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "loaded"), [(["--help"], False), (["hydra/launcher=slow", "--help"], True)])
def test_an_installed_plugin_is_imported_where_the_command_line_names_it_and_nowhere_else(
    arguments: list[str], loaded: bool, tmp_path: Path
) -> None:
    plugin = tmp_path / "hydra_plugins" / "slow"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(
        "print('slow plugin loaded')\nfrom hydra.core.config_store import ConfigStore\n"
        "ConfigStore.instance().store(group='hydra/launcher', name='slow', node={'_target_': 'hydra_plugins.slow.S'})\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    command = [sys.executable, "-m", "src.train", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("slow plugin loaded" in done.stdout) == loaded


def test_a_launcher_that_nobody_brings_is_refused_with_the_nearest(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "src.train", *SWEEP, "hydra/launcher=jobli"]  # what is imported now would stay
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "hydra/launcher=jobli: no such option: did you mean joblib? (choose from joblib, local_gpus" in line
    assert list(tmp_path.iterdir()) == []
