"""A run that was killed goes on where it was, to the same bits; a finished one is left alone."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from src.run.record import read
from src.run.resume import is_finished, newest_checkpoint
from tests.conftest import ROOT, UNDRAWN, Command
from tests.soak.kill import trials

STEPS = 2 * 41  # of `finished`
# dropout, crops, a schedule
RANDOM = ("model=fashion_cnn", "data.crop_padding=1", "scheduler=onecycle", "data.seed=7", UNDRAWN)


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
    whole = train("model=fashion_dnn", UNDRAWN, "scheduler=none", "trainer.max_epochs=3").run
    short = train("model=fashion_dnn", UNDRAWN, "scheduler=none", "trainer.max_epochs=2").run

    assert train(f"run={short}", "trainer.max_epochs=3").code == 0

    ours, theirs = weights(short), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert steps(short) == sorted(set(steps(short)))  # no point twice
    assert train(f"run={short}").err.strip().endswith("continues it")  # the longer length is recorded


def test_a_run_on_a_graph_goes_on_and_is_scored_and_repeated(train: Command, evaluate: Command) -> None:
    graph = ("model=gcn", "data=karate", "monitor=train/loss", "scheduler=none", UNDRAWN)
    run = train(*graph, "trainer.max_epochs=1").run
    assert train(f"run={run}", "trainer.max_epochs=2").code == 0
    assert read(run)["epochs"] == 2
    assert evaluate(f"run={run}").code == 0
    assert "bit for bit equal" in train(f"rerun={run}").err


def test_a_damaged_last_checkpoint_is_replaced_by_the_one_before_it(train: Command, tmp_path: Path) -> None:
    whole = train("model=fashion_dnn", UNDRAWN, "trainer.max_epochs=3", "hydra.run.dir=whole").run
    damaged = train("model=fashion_dnn", UNDRAWN, "trainer.max_epochs=3", "hydra.run.dir=damaged").run
    last = damaged / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    set_state(damaged, "interrupted")

    ended = train("run=damaged")

    assert ended.code == 0
    assert "last.ckpt is damaged" in ended.err
    assert "goes on from step 82" in ended.err
    assert_same(damaged, whole)


@pytest.mark.soak
def test_a_run_killed_at_random_moments_and_resumed_is_the_one_that_was_not(tmp_path: Path) -> None:
    done = list(trials(tmp_path, kills=5, seed=1))
    assert sum(trial.kills.total() for trial in done) == 5
    assert [trial.differs for trial in done] == [[]] * len(done)


@pytest.mark.parametrize("eighths", range(8))
def test_a_truncated_checkpoint_is_noticed_and_the_one_before_it_is_used(eighths: int, finished: Path, caplog) -> None:
    last = finished / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[: last.stat().st_size * eighths // 8])
    path, step, _ = newest_checkpoint(finished)
    assert (path, step) == (last.with_name("previous.ckpt"), STEPS // 2)
    assert "last.ckpt is damaged" in caplog.text


def test_a_single_flipped_bit_is_noticed_in_each_of_100_places(finished: Path) -> None:
    last, chance = finished / "checkpoints" / "last.ckpt", random.Random(0)
    content = last.read_bytes()
    for place in chance.sample(range(8 * len(content)), 100):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        last.write_bytes(flipped)
        assert newest_checkpoint(finished)[0] == last.with_name("previous.ckpt"), place
    last.write_bytes(content)
    assert newest_checkpoint(finished)[0] == last


@pytest.mark.parametrize("eighths", range(8))
def test_a_torn_run_json_is_named_and_nothing_is_changed(eighths: int, train: Command, finished: Path) -> None:
    path = finished / "run.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * eighths // 8])
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file() and path.name != "train.log"}
    error = train(f"run={finished}").error
    assert f"{path.name} is damaged" in error
    assert {path: path.read_bytes() for path in before} == before


def test_an_early_stopped_run_is_finished_however_many_epochs_were_left(train: Command, tmp_path: Path) -> None:
    stop = ("+callback=early_stopping", "callback.early_stopping.patience=1", "callback.early_stopping.min_delta=9")
    run = train("model=softmax_regression", UNDRAWN, *stop, "hydra.run.dir=stopped").run
    epochs, bits = read(run)["epochs"], weights(run)
    assert epochs == 2

    assert "is done" in train("run=stopped").err
    longer = train("run=stopped", "trainer.max_epochs=20")

    assert longer.code == 0
    assert read(run)["epochs"] == epochs  # a longer run would have stopped there too
    assert all(torch.equal(value, bits[name]) for name, value in weights(run).items())


def test_a_run_counted_in_steps_is_finished_after_them_and_a_longer_one_goes_on(train: Command, tmp_path: Path) -> None:
    counted = ("model=fashion_dnn", "scheduler=none", "trainer.max_epochs=-1")
    whole = train(*counted, "trainer.max_steps=82", "hydra.run.dir=whole").run
    run = train(*counted, "trainer.max_steps=41", "hydra.run.dir=short").run

    assert "is done" in train("run=short").err
    assert train("run=short", "trainer.max_steps=82").code == 0

    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(run).items())


@pytest.mark.parametrize(
    ("asked", "is_done"),
    [
        ({"max_epochs": -1, "max_steps": 60}, True),
        ({"max_epochs": -1, "max_steps": 40}, True),
        ({"max_epochs": -1, "max_steps": 61}, False),
        ({"max_epochs": 2, "max_steps": -1}, True),
        ({"max_epochs": 3, "max_steps": -1}, False),
        ({"max_epochs": 3, "max_steps": 50}, True),
    ],
)
def test_a_run_that_is_done_has_nothing_left_of_a_length_that_it_has_reached(
    asked: dict[str, int], is_done: bool
) -> None:
    fields = {"state": "done", "epochs": 2, "steps": 60}
    assert is_finished(fields, asked, {"max_epochs": -1, "max_steps": 60}) is is_done
    assert not is_finished(fields | {"state": "interrupted"}, asked, asked)


def test_a_recorded_run_has_no_choice_of_groups_and_says_so(train: Command, finished: Path) -> None:
    assert train(f"run={finished}", "model=mlp").error.startswith("error: model=mlp: no model can be chosen here: ")


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
