"""A signal ends a run with a checkpoint, its usual code and `state: interrupted`; SLURM starts it again in place."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from src.run.checkpoint_io import load
from src.run.interrupt import Interrupted, interruptible, requeued_run
from src.run.record import Record, read, recording
from tests.conftest import ROOT, Command
from tests.test_resume import RANDOM, assert_same

RUN = (*RANDOM, "trainer.max_epochs=3", "trainer.log_every_n_steps=7", "data.batch_size=50")  # 78 steps
SLURM = {"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "digits", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
SLURM |= {"SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_CPUS_PER_TASK": "1"}


@contextmanager
def started(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen]:
    """A run in a process of its own, killed where the block leaves it."""
    own = os.environ | {"PYTHONPATH": str(ROOT)} | (environment or {})
    with (folder / "err").open("a") as err:
        command = [sys.executable, "-m", "src.train", *arguments]
        process = subprocess.Popen(command, cwd=folder, env=own, stdout=err, stderr=err)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait(process: subprocess.Popen, path: Path, text: str) -> None:
    """Wait until a file holds `text`."""
    deadline_s = time.monotonic() + 120
    while not (path.exists() and text in path.read_text()):
        assert process.poll() is None, "it ended before it came so far"
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_with_a_checkpoint_from_which_it_is_resumed(number, code, train: Command, tmp_path):
    whole = train(*RUN, "hydra.run.dir=whole").run
    run = tmp_path / "run"
    with started(tmp_path, *RUN, "hydra.run.dir=run") as process:
        wait(process, run / "metrics.csv", "\n35,")  # amid the second epoch
        process.send_signal(number)
        assert process.wait(timeout=60) == code
    record = read(run)
    assert (record["state"], record["ended"] is not None) == ("interrupted", True)
    assert record["error"] == {"type": "Interrupted", "message": number.name}
    assert "Traceback" not in (tmp_path / "err").read_text()
    assert load(run / "checkpoints" / "last.ckpt")["global_step"] % 26, "the last step, not the last epoch's end"

    assert train("run=run").code == 0

    assert_same(run, whole)
    assert read(run)["state"] == "done"


@pytest.mark.slow
def test_slurm_requeues_the_job_and_the_same_command_goes_on_in_the_same_folder(train: Command, tmp_path: Path) -> None:
    whole = train(*RUN, "hydra.run.dir=whole").run
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (programs / "scontrol").chmod(0o755)
    slurm = SLURM | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    with started(tmp_path, *RUN, environment=slurm) as process:
        while not (found := list(tmp_path.glob("outputs/*/*/metrics.csv"))):
            time.sleep(0.01)
        wait(process, found[0], "\n35,")
        process.send_signal(signal.SIGUSR1)
        assert process.wait(timeout=60) == 128 + signal.SIGUSR1
    run = found[0].parent
    assert (tmp_path / "asked").read_text() == "requeue 77\n"
    assert read(run)["state"] == "interrupted"
    assert not list(run.glob("hpc_ckpt*"))  # Lightning's own answer, which a signal amid a step would make inexact

    with started(tmp_path, *RUN, environment=slurm | {"SLURM_RESTART_COUNT": "1"}) as process:
        assert process.wait(timeout=120) == 0

    assert "goes on from step" in (tmp_path / "err").read_text()
    assert list(tmp_path.glob("outputs/*/*")) == [run]
    assert_same(run, whole)


def test_a_requeued_command_finds_its_own_run_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ["src/train.py", "seed=1"]
    for name, job, command, started_at in (
        ("mine", "77", "python -m src.train seed=1", "2026-11-20T10:00"),
        ("older", "77", "python -m src.train seed=1", "2026-11-20T09:00"),
        ("another_command", "77", "python -m src.train seed=2", "2026-11-20T11:00"),
        ("another_job", "78", "python -m src.train seed=1", "2026-11-20T11:00"),
        ("no_job", None, "python -m src.train seed=1", "2026-11-20T11:00"),
    ):
        (tmp_path / name).mkdir()
        Record(tmp_path / name).update(slurm_job=job, command=command, started=started_at)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert requeued_run(argv, tmp_path) is None  # the first start
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert requeued_run(argv, tmp_path) == tmp_path / "mine"
    assert requeued_run(["src/train.py"], tmp_path) is None
    monkeypatch.setenv("SLURM_JOB_ID", "78")
    assert requeued_run(argv, tmp_path) == tmp_path / "another_job"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_outside_training_ends_the_run_at_once_and_is_recorded(number: int, tmp_path: Path) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as raised, interruptible(), recording(tmp_path, {}):
        signal.raise_signal(number)
    assert raised.value.code == 128 + number
    assert read(tmp_path)["state"] == "interrupted"
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_disturb_the_end_of_a_run(tmp_path: Path) -> None:
    def impatient() -> None:
        with interruptible(), recording(tmp_path, {}):
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        impatient()
    assert read(tmp_path)["error"]["message"] == "SIGTERM"
