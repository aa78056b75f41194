"""The built wheel in an environment of its own: a folder with three files of one's own is a project.

The environment sees the packages of this one, torch among them, through a .pth file; only the wheel is installed.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("setuptools", "77", reason="a wheel is built offline, by the setuptools that is here")
pytest.importorskip("pip", reason="a wheel is built and installed by pip")

OWN = {
    "mine.py": """
import torch
from lightning import LightningDataModule, LightningModule
from sklearn.datasets import load_wine
from torch.utils.data import DataLoader, TensorDataset


class Net(LightningModule):
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Linear(13, 3)

    def step(self, batch, split):
        x, y = batch
        loss = torch.nn.functional.cross_entropy(self.net(x), y)
        self.log(f"{split}/loss", loss, on_epoch=True, on_step=False)
        return loss

    def training_step(self, batch, batch_idx):
        return self.step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self.step(batch, "val")

    def test_step(self, batch, batch_idx):
        self.step(batch, "test")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


class Wine(LightningDataModule):
    def setup(self, stage):
        x, y = load_wine(return_X_y=True)
        x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
        self.parts = [TensorDataset(x[i::3], torch.tensor(y)[i::3]) for i in range(3)]

    def train_dataloader(self):
        return DataLoader(self.parts[0], batch_size=16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], batch_size=16)

    def test_dataloader(self):
        return DataLoader(self.parts[2], batch_size=16)
""",
    "conf/model/mine.yaml": "_target_: mine.Net\nlr: 0.2\n",
    "conf/data/mine.yaml": "_target_: mine.Wine\n",
}
BOTH = ("model=mine", "data=mine", "trainer.max_epochs=2", "trainer.accelerator=cpu")
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of the files that git knows and those that it does not ignore."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]:
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (folder / "code" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "code" / name)
    (folder / "code" / "conf" / "local" / "default.yaml").write_text("# @package _global_\nseed: 13\n")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    words = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", str(folder), "."]
    done = subprocess.run(words, cwd=folder / "code", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    offline = ("--no-deps", "--no-index", "--ignore-installed", "--quiet")
    words = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", *offline, str(wheel)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty folder but for three files of one's own."""
    for name, text in OWN.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    return tmp_path / "project"


@pytest.fixture
def shell(environment: Path, project: Path) -> Shell:
    """A command line in the project, which must end well; `module` is its command as `python -m src.COMMAND`."""

    def run(*words: str, folder: Path = project, **variables: str) -> subprocess.CompletedProcess[str]:
        outside = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        return subprocess.run(
            [environment / words[0], *words[1:]],
            cwd=folder,
            env=outside | {"OMP_NUM_THREADS": "1"} | variables,
            capture_output=True,
            text=True,
        )

    return run


def test_the_wheel_holds_every_config_and_every_page_and_nothing_of_this_machine(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    configs = subprocess.run(["git", "ls-files", "conf/**.yaml"], cwd=ROOT, capture_output=True, text=True).stdout
    code = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True).stdout
    missing = {*code.split(), *(f"src/{name}" for name in configs.split())} - held
    assert not {name for name in missing if (ROOT / name.removeprefix("src/")).exists() or (ROOT / name).exists()}
    assert not [name for name in held if "local/default" in name or name.startswith("tests")]


@pytest.mark.parametrize("how", ["module", "script"])
def test_three_files_of_ones_own_are_a_project(how: str, shell: Shell, project: Path) -> None:
    def command(name: str, *words: str) -> str:
        start = ("python", "-m", f"src.{name}") if how == "module" else (f"src-{name}",)
        done = shell(*start, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    command("train", *BOTH)
    (run,) = (path.parent for path in project.rglob("run.json"))
    before = json.loads((run / "run.json").read_text())
    assert (before["state"], before["model"], before["data"]) == ("done", "mine", "mine")
    assert before["metrics"]["test/loss"] > 0
    command("eval", f"run={run}")
    assert f"{before['metrics']['test/loss']:.4f}"[:6] in (run / "eval.csv").read_text()
    assert "is done" in command("train", f"run={run}")
    command("train", f"run={run}", "trainer.max_epochs=3")
    assert json.loads((run / "run.json").read_text())["epochs"] == 3
    command("train", "-m", *BOTH, "seed=0,1", "sweep=two")
    states = [json.loads(path.read_text())["state"] for path in project.rglob("sweeps/two/*/run.json")]
    assert states == ["done", "done"]
    assert "mine" in command("report", "run=outputs/sweeps/two")
    assert "mine.Net" not in command("train", "--help")


def test_parallel_jobs_and_ranks_find_ones_own_code(shell: Shell, project: Path) -> None:
    launchers = {"joblib": "n_jobs=2", "local_gpus": "slots=2", "submitit_local": "array_parallelism=2"}
    (project / "src").mkdir()  # which the scripts, and all that they start, do not take for the framework's
    (project / "src" / "__init__.py").write_text("raise SystemExit('the wrong src')\n")
    for launcher, setting in launchers.items():
        sweep = ("-m", "seed=0,1", f"sweep={launcher}", f"hydra/launcher={launcher}", f"hydra.launcher.{setting}")
        done = shell("src-train", *BOTH, *sweep)
        assert done.returncode == 0, done.stderr
        states = [json.loads(path.read_text())["state"] for path in project.rglob(f"sweeps/{launcher}/*/run.json")]
        assert states == ["done", "done"]
    done = shell("src-train", *BOTH, "trainer=ddp_cpu", "hydra.run.dir=outputs/ddp")
    assert done.returncode == 0, done.stderr


def test_src_new_makes_a_folder_that_trains(shell: Shell, project: Path) -> None:
    assert shell("src-new", "first").returncode == 0
    words = ("model=first", "data=first", "trainer.max_epochs=8", "trainer.accelerator=cpu")
    done = shell("python", "-m", "src.train", *words, folder=project / "first")
    assert done.returncode == 0, done.stderr
    (path,) = (project / "first").rglob("run.json")
    assert json.loads(path.read_text())["metrics"]["test/accuracy"] > 0.9
    done = shell("src-predict", "run=last", "input=test", folder=project / "first")
    assert done.returncode == 0, done.stderr


def test_a_package_src_of_ones_own_is_named_where_a_config_means_it(shell: Shell, project: Path) -> None:
    (project / "src").mkdir()
    (project / "src" / "__init__.py").touch()
    (project / "src" / "nets.py").touch()
    for variables in ({}, {"PYTHONPATH": "."}):
        done = shell("src-train", "model=mine", "data=mine", "--cfg", "job", **variables)
        assert (done.returncode, done.stderr) == (0, "")
        done = shell("src-train", "model.net._target_=src.nets.Net", **variables)
        assert "has a package src of its own" in done.stderr
        assert done.stderr.count("\n") == 1
