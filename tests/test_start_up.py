"""What a command answers without computing, it answers without importing torch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from src.config.schema import CONF
from tests.conftest import ROOT, Command

HEAVY = {"torch", "lightning", "torchvision", "matplotlib", "optuna"}
TORCH_FREE = f"; heavy = {HEAVY} & set(sys.modules); assert not heavy, heavy"
GROUPS = ("model", "data", "optimizer", "scheduler", "trainer", "callback", "logger", "search", "experiment", "debug")


def answer(command: str, *arguments: str, folder: Path) -> str:
    """What a command prints, in a process that must end without torch."""
    code = (
        f"import sys; sys.argv = ['src/{command}.py', *sys.argv[1:]]; from src.{command} import main\n"
        "try: main()\n"
        f"finally: pass{TORCH_FREE}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(folder.iterdir()) == []
    return done.stdout


def test_help_shows_every_option_of_every_group_and_five_examples(tmp_path: Path) -> None:
    text = answer("train", "--help", folder=tmp_path)
    for group in GROUPS:
        (line,) = re.findall(rf"^{group}: (.*)$", text, re.MULTILINE)
        assert set(line.split(", ")) == {path.stem for path in (CONF / group).glob("*.yaml")}
    assert len(re.findall(r"^python -m src\.train", text, re.MULTILINE)) == 5


def test_the_examples_of_help_compose(train: Command) -> None:
    for line in re.findall(r"^python -m src\.train ?(.*)$", train("--help").out, re.MULTILINE):
        words = re.split(r"  +", line)[0].split()
        shown = train(*(word for word in words if word != "-m"), "--cfg", "job") if "-m" not in words else None
        assert shown is None or shown.code == 0, shown


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (["--cfg", "job"], "_target_: src.fit.trainer.Trainer"),
        (["--cfg", "job", "--resolve", "--package", "optimizer"], "lr: 0.001"),
        (["--info", "defaults"], "model/part/supervised"),
        (["-c", "job", "model=lenet5"], "src.net.lenet5.LeNet5"),
        (["-sc", "install=bash"], "src-train"),
    ],
)
def test_what_needs_no_computing_imports_no_torch(arguments: list[str], shows: str, tmp_path: Path) -> None:
    if "install" not in arguments[-1]:
        assert shows in answer("train", *arguments, folder=tmp_path)
    else:
        assert "complete" in answer("train", *arguments, folder=tmp_path)


def test_evals_help_and_config_need_no_run_and_no_torch(tmp_path: Path) -> None:
    assert answer("eval", "--help", folder=tmp_path).count("python -m src.eval") == 5
    assert "checkpoint: best" in answer("eval", "--cfg", "job", folder=tmp_path)


def test_the_help_of_reproduce_needs_no_torch(tmp_path: Path) -> None:
    assert answer("reproduce", "--help", folder=tmp_path).count("python -m src.reproduce") == 5


def test_reports_help_and_config_need_no_run_and_no_torch(tmp_path: Path) -> None:
    assert answer("report", "--help", folder=tmp_path).count("python -m src.report") == 5
    assert "run: outputs" in answer("report", "--cfg", "job", folder=tmp_path)


def test_explores_help_and_config_need_no_torch(tmp_path: Path) -> None:
    assert answer("explore", "--help", folder=tmp_path).count("python -m src.explore") == 5
    assert "figure: null" in answer("explore", "--cfg", "job", folder=tmp_path)


@pytest.mark.parametrize(("command", "examples"), [("predict", 6), ("explain", 6), ("export", 5)])
def test_the_help_of_what_uses_a_net_needs_no_run_and_no_torch(command: str, examples: int, tmp_path: Path) -> None:
    assert answer(command, "--help", folder=tmp_path).count(f"python -m src.{command}") == examples
    assert "checkpoint: best" in answer(command, "--cfg", "job", folder=tmp_path)


def test_importing_the_run_package_imports_no_torch(tmp_path: Path) -> None:
    code = f"import sys; from src.run import load{TORCH_FREE}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("src-train model=", "model=fashion_cnn", "data=digits"),
        ("src-train model=fashion_", "model=fashion_dnn", "model=lenet5"),
        ("src-train optimizer.", "optimizer.lr=", "model=lenet5"),
        ("src-train se", "seed=", "data=digits"),
    ],
)
def test_the_console_script_completes(line: str, offered: str, not_offered: str, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("src-train")
    if not script.exists():
        pytest.skip("the project is not installed here: pip install -e .")
    environment = os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    done = subprocess.run(
        [script, "-sc", "query=bash"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert offered in done.stdout.split()
    assert not_offered not in done.stdout.split()
    assert list(tmp_path.iterdir()) == []


def test_the_console_script_installs_completion_for_bash(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("src-train")
    if not script.exists():
        pytest.skip("the project is not installed here: pip install -e .")
    done = subprocess.run([script, "-sc", "install=bash"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "complete" in done.stdout
    assert "src-train" in done.stdout
