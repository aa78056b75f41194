"""Sweeps that run several jobs at once keep what those that run one after the other promise, and leave no process."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from src.run.record import read
from tests.conftest import FAST, ROOT, SHORT, Command
from tests.processes import GONE_S
from tests.test_sweep import done, files, scores, states

TWO_AT_ONCE = {
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "local_gpus": ("hydra/launcher=local_gpus", "hydra.launcher.slots=2"),
    "submitit_local": ("hydra/launcher=submitit_local", "hydra.launcher.array_parallelism=2"),
}
LINE = re.compile(r"\d of \d  ((error: )?job .* in \S+: .*|error: fail_fast.*)")
each_launcher = pytest.mark.parametrize("launcher", TWO_AT_ONCE.values(), ids=TWO_AT_ONCE)
SLOW = {"local_gpus": pytest.mark.slow}  # one launcher; the others are for the soak
one_launcher = pytest.mark.parametrize(
    "launcher",
    [pytest.param(words, id=name, marks=SLOW.get(name, pytest.mark.soak)) for name, words in TWO_AT_ONCE.items()],
)


@contextmanager
def sweep(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep in a session of its own, of which no process may be left when it has ended."""
    own = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train", "-m", *arguments],
        cwd=folder,
        env=own | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
        deadline_s = time.monotonic() + GONE_S  # the trackers of joblib end when they see that the sweep has
        while left(process.pid) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert left(process.pid) == []
    finally:
        for pid in left(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def left(session: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = path.read_text().rpartition(") ")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(of) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def wait_for(text: str, folder: Path, process: subprocess.Popen[str], *, times: int = 1) -> None:
    """Wait until so many jobs have printed `text`."""
    deadline_s = time.monotonic() + 240
    while sum(text in path.read_text() for path in folder.rglob("screen.log")) < times:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


@one_launcher
def test_four_jobs_leave_four_folders_of_the_same_results_and_no_process(
    launcher: tuple[str, ...], train: Command, tmp_path: Path
) -> None:
    jobs = (*SHORT, "seed=0,1,2,3", "sweep=s", "trainer=cpu")
    with sweep(tmp_path, *jobs, *launcher, OMP_NUM_THREADS="1") as process:
        out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    assert states(out) == {f"seed={seed}": "done" for seed in range(4)}
    assert len(err.splitlines()) == 4
    assert all(LINE.fullmatch(line) for line in err.splitlines()), err
    made = tmp_path / "outputs" / "sweeps" / "s"
    assert len(list(made.rglob("run.json"))) == len(done(made)) == 4
    before = files(made)

    again = train("-m", *jobs)  # one after the other

    assert again.err.count("done already") == 4
    assert {path: content for path, content in files(made).items() if path.name != "multirun.yaml"} == {
        path: content for path, content in before.items() if path.name != "multirun.yaml"
    }
    train("-m", *(word.replace("sweep=s", "sweep=alone") for word in jobs))
    alone = scores(tmp_path / "outputs" / "sweeps" / "alone")
    assert {name: score for name, score in scores_of(made).items() if name in alone} == alone


def scores_of(folder: Path) -> dict[str, object]:
    """What each job came to; a launcher's own folder is no job."""
    (folder / ".submitit").exists() and (folder / ".submitit").rename(folder.parent / "submitit")
    return scores(folder)


@pytest.mark.slow
@each_launcher
def test_cores_are_shared_out_among_the_jobs_and_the_record_says_so(launcher: tuple[str, ...], tmp_path: Path) -> None:
    import joblib

    with sweep(tmp_path, *FAST, "seed=0,1", "sweep=s", *launcher) as process:
        process.communicate(timeout=500)
    threads = [read(run)["host"]["threads"] for run in done(tmp_path / "outputs" / "sweeps" / "s")]
    assert threads == [max(1, joblib.cpu_count() // 2)] * 2


@one_launcher
def test_ctrl_c_and_sigterm_end_all_and_the_same_command_goes_on(launcher: tuple[str, ...], tmp_path: Path) -> None:
    jobs = ("model=fashion_dnn", "seed=0,1,2", "trainer.max_epochs=100", "sweep=s", "trainer=cpu")
    for number, code, text in ((signal.SIGINT, 130, "epoch 1 "), (signal.SIGTERM, 143, "goes on from step")):
        with sweep(tmp_path, *jobs, *launcher, OMP_NUM_THREADS="1") as process:
            wait_for(text, tmp_path, process, times=2)
            process.send_signal(number)
            out, err = process.communicate(timeout=120)
            assert process.returncode == code
        assert sorted(states(out).values()) == ["interrupted", "interrupted", "not started"]
        assert "Traceback" not in err


@pytest.mark.slow
def test_a_crash_is_listed_as_failed_and_costs_no_other_job(tmp_path: Path) -> None:
    crash = "+callback.crash={_target_:tests.sweep.crash.Crash,number:0}"
    jobs = (*FAST, crash, "callback.crash.number=9,0,11", "sweep=s", *TWO_AT_ONCE["local_gpus"])
    with sweep(tmp_path, *jobs, ALLOWED_TARGETS="tests") as process:
        out, err = process.communicate(timeout=500)
    assert process.returncode == 1
    assert [state for _, state in sorted(states(out).items())] == ["done", "failed", "failed"]
    assert "its process was killed by SIGSEGV" in err
    assert "2 of 3 jobs failed" in err.splitlines()[-1]
    assert "Traceback" not in err
