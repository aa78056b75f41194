"""A command ends as it should, whatever its standard streams are; each process is one as a user starts it."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.run.record import read
from tests.conftest import FAST, ROOT

PYTHON = f"PYTHONPATH={ROOT} OMP_NUM_THREADS=1 {sys.executable} -m"


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=300)


def test_what_is_closed_is_nothing_and_no_file_gets_its_number(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from src.command.streams import usable_streams\n"
        "with usable_streams():\n"
        "    file = open('data', 'w')\n"
        "    print('lost'); print('lost', file=sys.stderr)\n"
        "    os.write(1, b'lost'); assert os.system('echo lost && echo lost >&2') == 0\n"
        "    assert file.fileno() > 2 and sys.stdin.read() == ''\n"
        "    file.write('kept')\n"
    )
    (tmp_path / "program.py").write_text(code)
    ended = shell(tmp_path, f"PYTHONPATH={ROOT} {sys.executable} program.py <&- >&- 2>&-; echo $?")
    assert ended.stdout == "0\n"
    assert (tmp_path / "data").read_text() == "kept"


@pytest.mark.parametrize("arguments", ["src.train --cfg job", "src.train --help", "src.report run=nothing"])
def test_a_reader_that_goes_away_ends_a_command_quietly(arguments: str, tmp_path: Path) -> None:
    ended = shell(tmp_path, f"{PYTHON} {arguments} | true; echo ${{PIPESTATUS[0]}}")
    assert ended.stdout.strip() in ("0", "1", "141")
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("launcher", ["basic", "joblib", "local_gpus hydra.launcher.slots=2"])
def test_a_sweep_with_closed_streams_trains_its_jobs(launcher: str, closed: str, tmp_path: Path) -> None:
    words = f"-m {' '.join(FAST)} seed=0,1 hydra/launcher={launcher}"
    ended = shell(tmp_path, f"({PYTHON} src.train {words} {closed})")
    assert ended.returncode == 0, ended.stderr
    assert [read(path.parent)["state"] for path in tmp_path.rglob("run.json")] == ["done", "done"]


@pytest.mark.slow
def test_a_sweep_whose_reader_goes_away_trains_its_jobs(tmp_path: Path) -> None:
    ended = shell(tmp_path, f"{PYTHON} src.train -m {' '.join(FAST)} seed=0,1 | true")
    assert [read(path.parent)["state"] for path in tmp_path.rglob("run.json")] == ["done", "done"]
    assert "Traceback" not in ended.stderr
