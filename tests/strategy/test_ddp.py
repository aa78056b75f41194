"""Runs of several processes leave one folder each and nothing else, however they are started and however they end."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from src.run.checkpoint_io import load
from src.run.record import read
from tests.conftest import ROOT
from tests.processes import LIMIT_S, left, run, started, wait_for, wait_until_gone
from tests.processes import mark as mark
from tests.test_resume import assert_same

COMMON = ("src.train", "trainer=ddp_cpu", "model=fashion_dnn")
SHORT = (*COMMON, "debug=limit")
DDP = (*COMMON, "trainer.max_epochs=2", "callback.checkpoint.every_n_steps=5")
STEPS = 2 * 41

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mark")]


@pytest.fixture(autouse=True)
def _troubled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_TARGETS", "tests.strategy.trouble")


def trouble(what: str, *, step: int = 47, rank: int = 1, name: str = "trouble") -> list[str]:
    """Overrides: see tests.strategy.trouble."""
    values = {"_target_": "tests.strategy.trouble.Trouble", "what": what, "step": step, "rank": rank}
    return [f"+callback.{name}.{key}={value}" for key, value in values.items()]


def folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.rglob("run.json"))


def workers(mark: str) -> list[int]:
    return [pid for pid, command in left(mark).items() if "src.fit.rank" in command]


def test_a_run_is_one_folder_which_is_scored_on_one_device(tmp_path: Path) -> None:
    code, said = run(tmp_path, *DDP)
    assert code == 0, said
    (folder,) = folders(tmp_path)
    record = read(folder)
    assert (record["state"], record["steps"]) == ("done", STEPS)
    assert list((tmp_path / "outputs").glob("*/*")) == [folder]
    assert said.count("epoch 1 ") == (folder / "train.log").read_text().count("epoch 1 ") == 1
    code, said = run(tmp_path, "src.eval", "run=last")
    assert code == 0, said
    assert f"{record['metrics']['test/accuracy']:.4f}" in said


def test_the_jobs_of_a_sweep_are_a_folder_each_and_leave_the_environment_as_it_was(tmp_path: Path) -> None:
    program = (
        "import os, sys; os.environ.pop('OMP_NUM_THREADS'); import lightning; from src.train import main\n"
        "from torch import get_num_threads\ndef state(): return dict(os.environ), get_num_threads()\n"
        "before = state(); main(); assert state() == before, set(state()[0].items()) ^ set(before[0].items())"
    )
    (tmp_path / "program.py").write_text(program)
    arguments = ("program", "-m", *SHORT[1:], "seed=0,1,2", "sweep=three")
    code, said = run(tmp_path, *arguments, HYDRA_FULL_ERROR="1")  # which the command sets for itself
    assert code == 0, said
    assert [read(folder)["state"] for folder in folders(tmp_path)] == ["done"] * 3
    assert [path.name for path in (tmp_path / "outputs" / "sweeps").iterdir()] == ["three"]
    assert len({read(folder)["seed"] for folder in folders(tmp_path)}) == 3


def test_jobs_that_run_at_once_do_not_meet(tmp_path: Path) -> None:
    at_once = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    code, said = run(tmp_path, SHORT[0], "-m", *SHORT[1:], *at_once, "seed=0,1,2", "sweep=three")
    assert code == 0, said
    assert [read(folder)["state"] for folder in folders(tmp_path)] == ["done"] * 3


def test_a_killed_worker_is_the_error_of_its_job_alone_which_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    assert run(tmp_path, *DDP, "hydra.run.dir=whole")[0] == 0
    start_s = time.monotonic()
    sweep = [word for word in trouble("SIGKILL") if "rank=" not in word]
    code, said = run(tmp_path, DDP[0], "-m", *DDP[1:], *sweep, "+callback.trouble.rank=1,7", "sweep=killed")
    assert code == 1
    assert "Traceback" not in said
    jobs = {read(folder)["state"]: folder for folder in folders(tmp_path / "outputs")}
    assert set(jobs) == {"failed", "done"}
    record = read(jobs["failed"])
    assert record["error"]["type"] == "RankError"
    assert re.fullmatch(r"rank 1 \(process \d+\) was killed by SIGKILL", record["error"]["message"])
    assert f"error: job {' '.join(DDP[1:])}" in said
    assert record["error"]["message"] in said
    assert time.monotonic() - start_s < LIMIT_S

    code, said = run(tmp_path, DDP[0], f"run={jobs['failed']}", "~callback.trouble")

    assert code == 0, said
    assert "goes on from step 46" in said
    assert_same(jobs["failed"], tmp_path / "whole")


def test_an_error_in_a_worker_is_the_error_of_the_run(tmp_path: Path) -> None:
    code, said = run(tmp_path, *SHORT, *trouble("error", step=12))
    assert (code, said.splitlines()[-1]) == (1, "error: rank 1: ValueError: no step 12 today")
    assert "Traceback" not in said
    (folder,) = folders(tmp_path)
    assert read(folder)["state"] == "failed"
    assert 'raise ValueError(f"no step {self.step} today")' in (folder / "train.log").read_text()


def test_an_error_in_rank_0_is_its_own(tmp_path: Path) -> None:
    code, said = run(tmp_path, *SHORT, *trouble("error", step=12, rank=0))
    path = ROOT / "tests" / "strategy" / "trouble.py"
    line = 1 + next(n for n, text in enumerate(path.read_text().splitlines()) if "today" in text and "raise" in text)
    assert (code, said.splitlines()[-1]) == (1, f"error: no step 12 today (in {path}:{line})")


def test_a_worker_that_hangs_ends_the_run_when_the_time_is_up(tmp_path: Path) -> None:
    code, said = run(tmp_path, *SHORT, *trouble("SIGSTOP", step=12), "trainer.strategy.timeout_s=6")
    assert code == 1
    expected = r"error: a rank hangs \(of processes \d+\): no answer within trainer.strategy.timeout_s=6 s"
    assert re.fullmatch(expected, said.splitlines()[-1])


def test_workers_end_with_a_rank_0_that_is_killed_whatever_they_are_at(mark: str, tmp_path: Path) -> None:
    with started(tmp_path, *SHORT, *trouble("sleep", step=12)) as process:
        wait_for(lambda: "epoch 1 " in (tmp_path / "said").read_text(), process)
        time.sleep(2)
        assert len(workers(mark)) == 1
        process.kill()
        process.wait()
        assert wait_until_gone(mark) == {}


def test_a_killed_worker_ends_a_rank_0_that_waits_for_something_else(tmp_path: Path) -> None:
    both = (*trouble("SIGKILL", step=12), *trouble("sleep", step=12, rank=0, name="other"))
    with started(tmp_path, *SHORT, *both) as process:
        wait_for(lambda: "epoch 1 " in (tmp_path / "said").read_text(), process)
        assert process.wait(timeout=30) == 1
    assert (tmp_path / "said").read_text().splitlines()[-1].endswith("was killed by SIGKILL")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_rank_0_ends_all_ranks_with_a_checkpoint(number: signal.Signals, code: int, tmp_path: Path) -> None:
    long = ("trainer.max_epochs=50", "callback.checkpoint.every_n_steps=null", "data.batch_size=10")
    curves = tmp_path / "run" / "metrics.csv"
    with started(tmp_path, *DDP, *long, "hydra.run.dir=run") as process:
        wait_for(lambda: curves.exists() and "\n450," in curves.read_text(), process)  # amid the second epoch
        process.send_signal(number)
        assert process.wait(timeout=60) == code
    assert "Traceback" not in (tmp_path / "said").read_text()
    record = read(tmp_path / "run")
    assert (record["state"], record["error"]["message"]) == ("interrupted", number.name)
    assert load(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"] % 405, (
        "the last step, not the last epoch's end"
    )


def test_a_worker_that_cannot_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nif os.environ.get('RANK') == '1': raise SystemExit('no disk, say')\n"
    )
    code, said = run(tmp_path, *SHORT, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert code == 1
    assert "no disk, say" in said
    assert re.fullmatch(r"error: rank 1 \(process \d+\) ended with code \d+", said.splitlines()[-1])
