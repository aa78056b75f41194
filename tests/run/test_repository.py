"""Which code ran: the person's repository, and beside it the framework's version."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

PROGRAM = (
    "import json, pathlib, sys; from src.run.record import versions, git\n"
    "from src.config.own import started_here\n"
    "with started_here([]): print(json.dumps([git(pathlib.Path(sys.argv[1])), versions()]))"
)
Recorded = Callable[[], tuple[Any, str]]


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.hooksPath=/dev/null")
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def committed(folder: Path) -> str:
    """Make a repository of a folder, and return its first commit."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def framework(tmp_path: Path) -> Path:
    """A copy of the framework's code, in no repository."""
    shutil.copytree(ROOT / "src", tmp_path / "framework" / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "framework")
    return tmp_path / "framework"


@pytest.fixture
def recorded(framework: Path, lab: Path, tmp_path: Path) -> Recorded:
    """What is recorded of the code where a run starts in the strangers' folder: of git, and of the framework."""
    (tmp_path / "run").mkdir()

    def record() -> tuple[Any, str]:
        environment = os.environ | {"PYTHONPATH": str(framework), "PYTHONDONTWRITEBYTECODE": "1"}
        words = [sys.executable, "-c", PROGRAM, str(tmp_path / "run")]
        done = subprocess.run(words, cwd=lab, env=environment, check=True, capture_output=True, text=True)
        found, versions = json.loads(done.stdout)
        return found, versions["lightning-hydra-experiments"]

    return record


def test_the_persons_repository_is_recorded_and_the_frameworks_commit_beside_it(
    recorded: Recorded, lab: Path, framework: Path, tmp_path: Path
) -> None:
    theirs, ours = committed(lab), committed(framework)
    found, version = recorded()
    assert found == {"commit": theirs, "dirty": False, "patch": None}
    number, _, commit = version.partition("+")
    assert number[0].isdigit()
    assert len(commit) >= 7
    assert ours.startswith(commit)
    assert not list((tmp_path / "run").iterdir())
    (framework / "src" / "train.py").write_text("changed = 1\n")
    recorded()
    assert "changed = 1" in (tmp_path / "run" / "framework.patch").read_text()
    assert not (tmp_path / "run" / "git.patch").exists()


def test_the_patch_holds_new_and_changed_code_and_configs_wherever_the_folder_lies_in_its_repository(
    recorded: Recorded, lab: Path, tmp_path: Path
) -> None:
    (lab.parent / "top.py").write_text("top = 1\n")
    (lab.parent / ".gitignore").write_text("run/\nframework/\n")
    committed(lab.parent)
    git(tmp_path, "clone", "-q", str(lab.parent), str(tmp_path / "clone"))
    written = {
        "lab/raw.py": "changed = 'ü'\n",
        "lab/new.py": "new = 1\n",
        "single.py": "single = 1\n",
        "conf/model/new.yaml": "_target_: lab.new.Net\n",
        "theirs/deep/er/new.py": "new = 2\n",
    }
    left = ("outputs/x/metrics.csv", "data/big.bin", "notes.txt", ".hidden/x.py", "venv/lib/x.py", "venv/pyvenv.cfg")
    for name, text in {**written, **dict.fromkeys(left, "left = 1\n")}.items():
        (lab / name).parent.mkdir(parents=True, exist_ok=True)
        (lab / name).write_text(text)
    (lab / "lab" / "gan.py").unlink()
    found, _ = recorded()
    assert (found["dirty"], found["patch"]) == (True, "git.patch")
    git(tmp_path / "clone", "apply", str(tmp_path / "run" / "git.patch"))
    for name, text in written.items():
        assert (tmp_path / "clone" / lab.name / name).read_text() == text
    assert not (tmp_path / "clone" / lab.name / "lab" / "gan.py").exists()
    assert not any((tmp_path / "clone" / lab.name / name).exists() for name in left)


def test_what_a_run_leaves_is_no_change_of_the_code(recorded: Recorded, lab: Path) -> None:
    committed(lab)
    (lab / "outputs" / "day").mkdir(parents=True)
    (lab / "outputs" / "day" / "run.json").write_text("{}")
    assert recorded()[0]["dirty"] is False


def test_without_a_repository_nothing_is_recorded_but_the_version(recorded: Recorded, lab: Path) -> None:
    assert recorded()[0] is None
    git(lab, "init", "-q")  # without a commit
    assert recorded()[0] is None


def test_an_installed_framework_is_no_part_of_the_repository_around_it(
    recorded: Recorded, framework: Path, lab: Path, tmp_path: Path
) -> None:
    (tmp_path / ".gitignore").write_text("/framework/\n/run/\n")  # the person's, which ignores an environment in it
    commit = committed(tmp_path)
    (lab / "lab" / "new.py").write_text("new = 1\n")
    assert recorded()[0] == {"commit": commit, "dirty": True, "patch": "git.patch"}
    assert "new = 1" in (tmp_path / "run" / "git.patch").read_text()


def test_a_folder_outside_of_any_repository_records_the_checkout_of_the_framework(
    recorded: Recorded, framework: Path
) -> None:
    commit = committed(framework)
    found, version = recorded()
    assert found == {"commit": commit, "dirty": False, "patch": None}
    assert "+" not in version
