"""A run that was killed goes on where it was, to the same bits; a finished one is left alone."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT, Command

RANDOM = ("model=fashion_cnn", "data.crop_padding=1", "scheduler=onecycle", "data.seed=7")  # dropout, crops, a schedule


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return state


def assert_same(folder: Path, whole: Path) -> None:
    """The weights are equal bit for bit, and so is every row of the curves."""
    ours, theirs = weights(folder), weights(whole)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name
    assert (folder / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()


def set_state(folder: Path, state: str) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": state}))


def steps(folder: Path) -> list[int]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.slow
def test_a_run_killed_with_9_and_resumed_ends_in_the_same_bits(train: Command, tmp_path: Path) -> None:
    whole = train(*RANDOM, "trainer.max_epochs=8").run
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "src.train", *RANDOM, "trainer.max_epochs=8", "hydra.run.dir=killed"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    log = tmp_path / "killed" / "train.log"
    deadline_s = time.monotonic() + 120
    while not (log.exists() and "epoch 3" in log.read_text()):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert json.loads((tmp_path / "killed" / "run.json").read_text())["state"] == "running"

    assert train("run=killed").code == 0

    assert_same(tmp_path / "killed", whole)
    assert json.loads((tmp_path / "killed" / "run.json").read_text())["state"] == "done"


def test_a_finished_run_is_left_alone(train: Command, finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file() and path.name != "train.log"}

    ended = train(f"run={finished}")

    assert ended.code == 0
    assert "is done" in ended.err
    assert {path: path.read_bytes() for path in before} == before


def test_a_longer_max_epochs_continues_a_finished_run_as_if_it_had_been_longer(train: Command, tmp_path: Path) -> None:
    whole = train("model=fashion_dnn", "scheduler=none", "trainer.max_epochs=3").run
    short = train("model=fashion_dnn", "scheduler=none", "trainer.max_epochs=2").run

    assert train(f"run={short}", "trainer.max_epochs=3").code == 0

    ours, theirs = weights(short), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert steps(short) == sorted(set(steps(short)))  # no point twice
    assert train(f"run={short}").err.strip().endswith("continues it")  # the longer length is recorded


def test_a_damaged_last_checkpoint_is_replaced_by_the_one_before_it(train: Command, tmp_path: Path) -> None:
    whole = train("model=fashion_dnn", "trainer.max_epochs=3", "hydra.run.dir=whole").run
    damaged = train("model=fashion_dnn", "trainer.max_epochs=3", "hydra.run.dir=damaged").run
    last = damaged / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    set_state(damaged, "interrupted")

    ended = train("run=damaged")

    assert ended.code == 0
    assert "last.ckpt is damaged" in ended.err
    assert "goes on from step 82" in ended.err
    assert_same(damaged, whole)


def test_a_run_without_a_sound_checkpoint_is_refused_and_named(train: Command, finished: Path) -> None:
    set_state(finished, "interrupted")
    for name in ("last.ckpt", "previous.ckpt"):
        (finished / "checkpoints" / name).write_bytes(b"nothing")

    ended = train(f"run={finished}")

    assert ended.code == 1
    assert "no checkpoint loads" in ended.err
    assert "Traceback" not in ended.err


def test_a_run_killed_before_its_first_checkpoint_starts_anew(train: Command, finished: Path) -> None:
    set_state(finished, "running")
    for path in (finished / "checkpoints").iterdir():
        path.unlink()

    assert train(f"run={finished}").code == 0

    assert steps(finished) == sorted(set(steps(finished)))
    assert (finished / "checkpoints" / "last.ckpt").exists()


def test_the_folder_of_another_run_is_not_written_to(train: Command, finished: Path) -> None:
    config = (finished / ".hydra" / "config.yaml").read_bytes()

    ended = train(f"hydra.run.dir={finished}", "seed=5")

    assert "holds a run already" in ended.error
    assert (finished / ".hydra" / "config.yaml").read_bytes() == config


def test_the_same_sweep_again_trains_only_what_is_missing(train: Command, tmp_path: Path) -> None:
    sweep = ("-m", "model=softmax_regression", "trainer.max_epochs=1", "sweep=again")
    first = {folder: (folder / "run.json").read_bytes() for folder in train(*sweep, "seed=0,1").runs}
    assert len(first) == 2

    ended = train(*sweep, "seed=2,1,0")

    assert {folder: (folder / "run.json").read_bytes() for folder in first} == first
    assert len(ended.runs) == 1
    assert json.loads((ended.run / "run.json").read_text())["seed"] == 2
