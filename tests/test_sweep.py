"""Sweeps that survive: what is done stays, what was stopped goes on, what failed says so, nothing runs twice."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.run.record import read
from tests.conftest import FAST, ROOT, SHORT, Command, Ended
from tests.run.test_hold import holder
from tests.toy import mnist_files

TWO_DATASETS = ("-m", *FAST, "data.batch_size=4", "data=mnist,digits", "sweep=two")  # MNIST's files are not there


def table(out: str) -> dict[str, tuple[str, str, str]]:
    """The table at the end: overrides to state, metric and time."""
    lines = out[out.rindex("\njob ") + 1 if not out.startswith("job ") else 0 :].splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", lines[0])]
    cells = [[line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for line in lines[1:]]
    return {row[0]: (row[1], row[2], row[3]) for row in cells}


def states(out: str) -> dict[str, str]:
    return {job: state for job, (state, *_) in table(out).items()}


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def two_datasets(train: Command, tmp_path: Path, *arguments: str) -> Ended:
    return train(*TWO_DATASETS, f"data_dir={tmp_path / 'toy'}", *arguments)


def test_the_same_command_again_changes_no_byte_of_what_is_done(train: Command, tmp_path: Path) -> None:
    first = train("-m", *SHORT, "seed=0,1", "sweep=again")
    before = {folder: files(folder) for folder in first.runs}

    again = train("-m", *SHORT, "seed=1,2,0", "tags=[later]", "sweep=again")

    assert again.code == 0
    assert {folder: files(folder) for folder in before} == before
    assert [read(run)["seed"] for run in again.runs] == [2]
    assert list(states(again.out).items()) == [("seed=1", "done"), ("seed=2", "done"), ("seed=0", "done")]


def test_a_failing_job_is_named_when_it_fails_and_the_others_go_on(train: Command, tmp_path: Path) -> None:
    ended = two_datasets(train, tmp_path)

    assert ended.code == 1
    lines = ended.err.splitlines()
    failed = next(number for number, line in enumerate(lines) if "train-images-idx3-ubyte" in line)
    later = next(number for number, line in enumerate(lines) if line.startswith("epoch 1"))
    assert failed < later
    folder = next(run for run in ended.runs if read(run)["state"] == "failed")
    assert lines[failed].startswith("error: job model=softmax_regression debug=fast")
    assert f"data=mnist data_dir={tmp_path / 'toy'} in {folder.relative_to(tmp_path)}: " in lines[failed]
    assert states(ended.out) == {"data=mnist": "failed", "data=digits": "done"}
    assert "error: outputs/sweeps/two: 1 of 2 jobs failed" in lines[-1]
    assert "retry_failed=true" in lines[-1]
    assert "Traceback" not in ended.err
    assert "Traceback" in (folder / "train.log").read_text()


def test_what_failed_is_tried_again_where_that_is_asked_for(train: Command, tmp_path: Path) -> None:
    first = two_datasets(train, tmp_path)
    done, failed = sorted(first.runs, key=lambda run: read(run)["state"])
    mnist_files(tmp_path / "toy")
    before = files(done), files(failed)

    still = two_datasets(train, tmp_path)

    assert (files(done), files(failed)) == before
    assert still.code == 1
    assert "failed before: " in still.err
    assert states(still.out)["data=mnist"] == "failed"

    cured = two_datasets(train, tmp_path, "retry_failed=true")

    assert cured.code == 0, cured.err
    assert cured.runs == []  # no new folder
    assert files(done) == before[0]
    assert set(states(cured.out).values()) == {"done"}
    assert (read(failed)["state"], read(failed)["error"]) == ("done", None)


def test_fail_fast_stops_at_the_first_failure(train: Command, tmp_path: Path) -> None:
    ended = two_datasets(train, tmp_path, "fail_fast=true")

    assert ended.code == 1
    assert [read(run)["state"] for run in ended.runs] == ["failed"]
    assert states(ended.out) == {"data=mnist": "failed", "data=digits": "not started"}
    assert "fail_fast=true" in ended.err.splitlines()[-1]
    mnist_files(tmp_path / "toy")
    assert two_datasets(train, tmp_path, "fail_fast=true", "retry_failed=true").code == 0


def test_a_job_that_failed_before_does_not_stop_a_sweep_that_fails_fast(train: Command, tmp_path: Path) -> None:
    two_datasets(train, tmp_path, "fail_fast=true")
    ended = two_datasets(train, tmp_path, "fail_fast=true")
    assert states(ended.out) == {"data=mnist": "failed", "data=digits": "done"}


def seen_by_the_sweeper(train: Command, tmp_path: Path, *arguments: str) -> list[float]:
    seen = tmp_path / "seen"
    seen.unlink(missing_ok=True)
    (tmp_path / "spy.py").write_text(
        "from hydra.experimental.callback import Callback\n\n\n"
        "class Spy(Callback):\n"
        "    def on_job_end(self, config, job_return, **kwargs):\n"
        f"        with open({str(seen)!r}, 'a') as file:\n"
        "            print(job_return.return_value, file=file)\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        two_datasets(train, tmp_path, "+hydra.callbacks.spy._target_=spy.Spy", *arguments)
        return [float(line) for line in seen.read_text().splitlines()]
    finally:
        sys.path.remove(str(tmp_path))


def test_a_sweeper_sees_nan_for_a_failure_and_the_recorded_value_of_what_is_skipped(
    train: Command, tmp_path: Path
) -> None:
    first, again = (seen_by_the_sweeper(train, tmp_path) for _ in range(2))
    (done,) = [run for run in (tmp_path / "outputs" / "sweeps" / "two").iterdir() if "digits" in json.dumps(spec(run))]
    assert first[1] == again[1] == read(done)["best"]["value"]
    assert math.isnan(first[0])
    assert math.isnan(again[0])


def spec(run: Path) -> Any:
    return read(run)["data"] if (run / "run.json").exists() else None


def test_a_job_that_another_process_runs_is_listed_and_not_awaited(train: Command, tmp_path: Path) -> None:
    sweep = ("-m", *FAST, "seed=0,1", "sweep=shared")
    first, second = train(*sweep).runs
    for path in (first / "run.json", second / "run.json"):
        path.write_text(json.dumps(read(path.parent) | {"state": "interrupted"}))
    with holder(first) as process:
        before = files(first)
        ended = train(*sweep)
        assert files(first) == before
    assert ended.code == 0
    assert f"process {process.pid}" in ended.err
    seed = read(first)["seed"]
    assert states(ended.out) == {f"seed={seed}": "running", f"seed={1 - seed}": "done"}
    assert states(train(*sweep).out) == {"seed=0": "done", "seed=1": "done"}  # the holder is gone


def test_a_run_that_another_process_goes_on_with_is_refused_in_one_line(train: Command, finished: Path) -> None:
    path = finished / "run.json"
    path.write_text(json.dumps(read(finished) | {"state": "interrupted"}))
    with holder(finished) as process:
        before = files(finished)
        assert f"process {process.pid}" in train(f"run={finished}").error
        assert {name: (finished / name).read_bytes() for name in before if name.name != "train.log"} == {
            name: content for name, content in before.items() if name.name != "train.log"
        }
    assert train(f"run={finished}").code == 0
    assert read(finished)["state"] == "done"


def test_to_go_on_with_one_run_as_a_sweep_is_refused_and_leaves_nothing(train: Command, finished: Path) -> None:
    before = files(finished.parents[2])
    assert "without" in train("-m", f"run={finished}", "trainer.max_epochs=3,4").error
    assert files(finished.parents[2]) == before


def test_no_override_is_cut_away_however_long(train: Command) -> None:
    long = f"tags=[{'x' * 300}]"
    out = train("-m", *FAST, f"{long},[short]", "seed=0,1", "sweep=long").out
    assert {job.split()[0] for job in states(out)} == {long, "tags=[short]"}


def test_the_table_says_metric_and_time(train: Command) -> None:
    ended = train("-m", *FAST, "seed=0,1", "sweep=table")
    for run in ended.runs:
        record = read(run)
        state, metric, seconds = table(ended.out)[f"seed={record['seed']}"]
        assert (state, metric) == ("done", f"val/loss {record['best']['value']:.4f}")
        assert seconds == f"{record['seconds']:.1f} s"


def test_a_folder_of_another_run_is_neither_taken_for_the_job_nor_touched(train: Command, tmp_path: Path) -> None:
    by_number = ("-m", *FAST, "sweep=numbers", "hydra.sweep.subdir=${hydra.job.num}")
    train(*by_number, "seed=0,1")
    before = files(tmp_path)
    ended = train(*by_number, "seed=1,0")
    assert ended.code == 1
    assert "outputs/sweeps/numbers/0: the folder holds another run" in ended.err.splitlines()[-1]
    assert {path: content for path, content in files(tmp_path).items() if path.name != "multirun.yaml"} == {
        path: content for path, content in before.items() if path.name != "multirun.yaml"
    }


def test_a_grid_in_a_config_file_is_checked_and_reported_like_one_of_the_command_line(
    train: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    grid = ("--config-dir", str(tmp_path / "mine"), "-m", *FAST, "sweep=grid", "experiment=grid")
    file = tmp_path / "mine" / "experiment" / "grid.yaml"
    for seeds in ("0,many", "0,1"):
        file.write_text(f"# @package _global_\nhydra: {{sweeper: {{params: {{seed: '{seeds}'}}}}}}\n")
        ended = train(*grid)
        if "many" in seeds:
            assert "seed=many" in ended.error
            assert not (tmp_path / "outputs").exists()
    assert states(ended.out) == {"seed=0": "done", "seed=1": "done"}


def start(folder: Path, *arguments: str, name: str = "said") -> subprocess.Popen[bytes]:
    """`src.train` in a process of its own, in `folder`; what it prints goes to the end of the file `name` there."""
    with (folder / name).open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "src.train", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=said,
            stderr=said,
        )


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes], *, timeout_s: float = 240) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def done(sweep: Path) -> list[Path]:
    return [path.parent for path in sweep.glob("*/run.json") if read(path.parent)["state"] == "done"]


def scores(sweep: Path) -> dict[str, Any]:
    """What each job came to, by its folder's name."""
    return {
        run.name: (read(run)["state"], read(run)["epochs"], read(run)["metrics"], (run / "metrics.csv").read_text())
        for run in sweep.iterdir()
        if run.is_dir()
    }


TWELVE = ("-m", "model=softmax_regression,fashion_dnn", "optimizer=adam,sgd", "seed=0,1,2", "trainer.max_epochs=4")


@pytest.mark.slow
def test_twelve_jobs_killed_three_times_are_trained_once_each_to_the_same_metrics(
    train: Command, tmp_path: Path
) -> None:
    assert train(*TWELVE, "sweep=whole").code == 0
    killed = tmp_path / "outputs" / "sweeps" / "killed"
    for number in (1, 5, 9):
        process = start(tmp_path, *TWELVE, "sweep=killed")
        wait_until(lambda number=number: len(done(killed)) >= number, process)  # type: ignore[misc]
        time.sleep(0.07 * number)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    finished = {run: files(run) for run in done(killed)}
    assert 9 <= len(finished) < 12

    last = train(*TWELVE, "sweep=killed")

    assert last.code == 0
    assert {run: files(run) for run in finished} == finished
    assert scores(killed) == scores(tmp_path / "outputs" / "sweeps" / "whole")
    assert len(done(killed)) == 12
    said = (tmp_path / "said").read_text() + last.out
    ends = re.findall(r"folder +outputs/sweeps/killed/(\w+)", said)  # the summary of a run that ends
    assert len(ends) == len(set(ends))
    assert list(states(last.out).values()) == ["done"] * 12


@pytest.mark.soak
def test_wherever_a_sweep_is_killed_the_same_command_ends_it_the_same(tmp_path: Path) -> None:
    sweep = ("-m", "model=softmax_regression", "trainer.max_epochs=2", "sweep=killed")
    killed = [sys.executable, "-W", "ignore", "-m", "tests.sweep.killed", str(tmp_path), "12", *sweep]
    done = subprocess.run(killed, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole, *others = (
        scores(folder / "outputs" / "sweeps" / "killed") for folder in sorted(tmp_path.iterdir(), reverse=True)
    )
    assert len(others) >= 12
    assert all(other == whole for other in others)


@pytest.mark.slow
def test_four_processes_that_start_one_sweep_at_once_run_every_job_once(train: Command, tmp_path: Path) -> None:
    sweep = ("-m", "model=softmax_regression", "seed=0,1,2,3,4,5,6,7", "trainer.max_epochs=4", "sweep=shared")
    running = [start(tmp_path, *sweep, name=f"said{number}") for number in range(4)]
    assert [process.wait(timeout=300) for process in running] == [0] * 4
    said = [(tmp_path / f"said{number}").read_text() for number in range(4)]
    ends = re.findall(r"folder +outputs/sweeps/shared/(\w+)", "".join(said))
    assert len(ends) == len(set(ends)) == 8
    assert "".join(said).count("epoch 1 ") == 8
    assert "goes on" not in "".join(said)
    assert len(done(tmp_path / "outputs" / "sweeps" / "shared")) == 8
    for out in said:
        assert set(states(out).values()) <= {"done", "running"}


@pytest.mark.slow
def test_ctrl_c_stops_the_whole_sweep_with_its_table_and_the_same_command_goes_on(
    train: Command, tmp_path: Path
) -> None:
    sweep = ("-m", "model=fashion_dnn", "seed=0,1", "trainer.max_epochs=20", "sweep=stopped")
    process = start(tmp_path, *sweep)
    wait_until(lambda: "epoch 2" in (tmp_path / "said").read_text(), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    said = (tmp_path / "said").read_text()
    assert states(said) == {"seed=0": "interrupted", "seed=1": "not started"}
    assert "Traceback" not in said
    ended = train(*sweep, "hydra.sweep.dir=outputs/sweeps/stopped")
    assert "goes on from step" in ended.err
    assert states(ended.out) == {"seed=0": "done", "seed=1": "done"}
