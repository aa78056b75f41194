"""The file in which a search is kept outlives whoever writes to it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from src.search.journal import NAME, storage
from tests.conftest import ROOT


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(study_name="search", storage=storage(tmp_path))


@pytest.mark.parametrize("torn", ["{", '{"op_code":4,"worker_id":"a","study_id":0}'])
def test_what_a_killed_writer_left_of_a_line_harms_nothing(torn: str, study: optuna.Study, tmp_path: Path) -> None:
    study.tell(study.ask(), 1.0)
    with (tmp_path / NAME).open("a") as file:
        file.write(torn)
    for value in (2.0, 3.0):
        again = optuna.load_study(study_name="search", storage=storage(tmp_path))
        again.tell(again.ask(), value)
    kept = optuna.load_study(study_name="search", storage=storage(tmp_path))
    assert [trial.value for trial in kept.trials] == [1.0, 2.0, 3.0]
    for line in (tmp_path / NAME).read_text().splitlines():
        json.loads(line)


@pytest.mark.slow
def test_a_process_killed_while_it_held_the_lock_holds_up_no_other(study: optuna.Study, tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from src.search.journal import Lock\n"
    code += "Lock(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            code.replace("Lock(Path(sys.argv[1])).acquire()", "lock = Lock(Path(sys.argv[1])); lock.acquire()"),
            str(tmp_path / NAME),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=os.environ,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    start_s = time.monotonic()
    study.ask()
    assert time.monotonic() - start_s < 5  # Optuna's own lock waits for 30 s
