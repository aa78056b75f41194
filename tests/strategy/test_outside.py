"""Runs whose processes torchrun or srun starts are one run in one folder."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from src.config.allow import resolve
from src.run.record import read
from src.strategy.ddp import DDP
from src.strategy.ranks import outside, srun_port
from tests.config.test_hash import hashed
from tests.processes import LIMIT_S, run, started
from tests.processes import mark as mark
from tests.run.test_interrupt import wait
from tests.strategy.test_ddp import DDP as LONG
from tests.strategy.test_ddp import SHORT, folders, trouble
from tests.toy import trainer

TORCHRUN = ("torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "-m")
STEP = {"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "digits", "SLURM_STEP_ID": "0", "SLURM_NODELIST": "127.0.0.1"}
STEP |= {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0"}
ELASTIC = {"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


def task(rank: int) -> dict[str, str]:
    """The environment of a task of srun, in a job of this test process alone."""
    return STEP | {"SLURM_JOB_ID": str(os.getpid()), "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}


def test_ranks_are_those_that_torchrun_or_a_step_of_srun_numbers() -> None:
    found = outside(ELASTIC)
    assert found is not None
    assert (found.starter, found.rank, found.world_size, found.local_rank, found.nodes) == ("torchrun", 3, 4, 1, 2)
    found = outside(task(1))
    assert found is not None
    assert (found.starter, found.rank, found.world_size, found.local_rank, found.nodes) == ("srun", 1, 2, 1, 1)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {name: value for name, value in task(0).items() if name != "SLURM_STEP_ID"},  # a batch script
        task(0) | {"SLURM_NTASKS": "1"},
        task(0) | {"SLURM_JOB_NAME": "bash"},
        ELASTIC | {"RANK": "0", "WORLD_SIZE": "1"},
    ],
)
def test_a_process_alone_has_no_ranks(environment: dict[str, str]) -> None:
    assert outside(environment) is None


def test_steps_of_one_slurm_job_do_not_meet() -> None:
    assert len({srun_port(STEP | {"SLURM_STEP_ID": str(step)}) for step in range(31)}) == 31


def test_a_config_may_name_a_strategy_and_nothing_else_that_starts_processes() -> None:
    assert resolve("src.strategy.ddp.DDP") is DDP
    for name in ("others.Others", "launcher.together", "launcher.Launcher"):
        with pytest.raises(ValueError, match="not on the allow-list"):
            resolve(f"src.strategy.{name}")


def test_how_long_to_wait_for_a_rank_is_no_part_of_the_identity_and_how_many_there_are_is(tmp_path: Path) -> None:
    assert hashed(tmp_path, "trainer=ddp_cpu", "trainer.strategy.timeout_s=9") == hashed(tmp_path, "trainer=ddp_cpu")
    assert hashed(tmp_path, "trainer=ddp_cpu", "trainer.devices=3") != hashed(tmp_path, "trainer=ddp_cpu")


def test_the_word_ddp_means_our_strategy(tmp_path: Path) -> None:
    assert isinstance(trainer(tmp_path, strategy="ddp").strategy, DDP)


@pytest.fixture
def _started(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_TARGETS", "tests.strategy.trouble")


@contextmanager
def srun(folder: Path, *words: str, **environment: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two tasks with the environment that srun gives them."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(started(folder, *words, name=f"said{rank}", **task(rank) | environment))
            for rank in (0, 1)
        ]


@pytest.mark.slow
@pytest.mark.usefixtures("_started")
def test_torchrun_gives_one_run(tmp_path: Path) -> None:
    code, said = run(tmp_path, *TORCHRUN, *SHORT)
    assert code == 0, said
    (folder,) = folders(tmp_path)
    assert list((tmp_path / "outputs").glob("*/*")) == [folder]
    assert (read(folder)["state"], read(folder)["steps"]) == ("done", 30)
    assert said.count("epoch 1 ") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("_started")
def test_an_error_in_a_rank_of_torchrun_is_the_error_of_the_run(tmp_path: Path) -> None:
    code, said = run(tmp_path, *TORCHRUN, *SHORT, *trouble("error", step=12))
    assert code == 1
    assert "error: rank 1: ValueError: no step 12 today\n" in said
    (folder,) = folders(tmp_path)
    record = read(folder)
    assert (record["state"], record["error"]["message"]) == ("failed", "rank 1: ValueError: no step 12 today")


@pytest.mark.slow
@pytest.mark.usefixtures("_started")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-m", "seed=0,1"), "-m under torchrun: leave that out, trainer=ddp starts the processes of each job"),
        (("model=fashion_cn",), "model=fashion_cn: no such option: did you mean fashion_cnn?"),
        (("trainer=cpu",), "torchrun started 2 processes of a run for one: set trainer=ddp"),
        (("trainer.devices=3",), "torchrun started 2 processes on each of 1 nodes: set trainer.devices=2"),
    ],
)
def test_what_cannot_work_under_torchrun_is_one_line(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    code, said = run(tmp_path, *TORCHRUN, *SHORT, *words)
    assert code == 1
    errors = [text for text in said.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {line}")


@pytest.mark.slow
@pytest.mark.usefixtures("_started")
def test_srun_gives_one_run(tmp_path: Path) -> None:
    with srun(tmp_path, *SHORT) as tasks:
        assert [process.wait(timeout=LIMIT_S) for process in tasks] == [0, 0]
    (folder,) = folders(tmp_path)
    assert (read(folder)["state"], read(folder)["steps"]) == ("done", 30)
    assert "epoch 1 " in (tmp_path / "said0").read_text()
    assert (tmp_path / "said1").read_text() == ""


@pytest.mark.slow
@pytest.mark.usefixtures("_started")
def test_slurm_requeues_the_run_once_and_its_ranks_go_on_in_its_folder(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (programs / "scontrol").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    words = (*LONG, "data.batch_size=20", "trainer.log_every_n_steps=50")
    with srun(tmp_path, *words, PATH=path) as tasks:
        while not (found := list(tmp_path.glob("outputs/*/*/metrics.csv"))):
            time.sleep(0.01)
        wait(tasks[0], found[0], "\n50,")
        for process in tasks:
            process.send_signal(signal.SIGUSR1)
        assert [process.wait(timeout=60) for process in tasks] == [128 + signal.SIGUSR1] * 2
    assert (tmp_path / "asked").read_text() == f"requeue {os.getpid()}\n"
    run = found[0].parent
    assert read(run)["state"] == "interrupted"

    with srun(tmp_path, *words, PATH=path, SLURM_RESTART_COUNT="1") as tasks:
        assert [process.wait(timeout=LIMIT_S) for process in tasks] == [0, 0]

    assert "goes on from step" in (tmp_path / "said0").read_text()
    assert folders(tmp_path) == [run]
    assert read(run)["state"] == "done"
