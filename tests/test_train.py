"""`src.train`: what a run leaves behind, and that the same seed leaves the same bits."""

import csv
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from src.run.record import read
from tests.conftest import FAST, ROOT, SHORT, UNDRAWN, Command

FIELDS = {
    "format": int,
    "state": str,
    "command": str,
    "overrides": list,
    "config_hash": str,
    "seed": int,
    "model": str,
    "data": str,
    "tags": list,
    "git": dict,
    "versions": dict,
    "host": dict,
    "started": str,
    "ended": str,
    "seconds": float,
    "epochs": int,
    "steps": int,
    "parameters": dict,
    "data_fingerprint": dict,
    "samples_per_second": float,
    "metrics": dict,
    "best": dict,
    "error": type(None),
}


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without its wall-clock columns, which may differ."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if "seconds" not in key} for row in csv.DictReader(file)]


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_run_json_has_exactly_its_fields(original: Path) -> None:
    record = json.loads((original / "run.json").read_text())
    assert {key: type(value) for key, value in record.items()} == FIELDS
    assert set(record["git"]) == {"commit", "dirty", "patch"}
    assert set(record["host"]) == {"cpu", "threads", "interop_threads", "gpus"}
    assert set(record["best"]) == {"metric", "mode", "value", "epoch", "checkpoint"}
    assert all(re.fullmatch(r"(train|val|test)/\w+", name) for name in record["metrics"])


def test_run_json_says_what_the_run_was(original: Path) -> None:
    record = read(original)
    assert record["state"] == "done"
    assert record["command"] == "python -m src.train model=softmax_regression trainer.max_epochs=2"
    assert record["overrides"] == ["model=softmax_regression", "trainer.max_epochs=2"]
    assert (record["model"], record["data"], record["seed"]) == ("softmax_regression", "digits", 0)
    assert record["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    batches = -(-(1437 - round(1437 * 0.1)) // 32)
    assert (record["epochs"], record["steps"]) == (2, 2 * batches)
    assert record["parameters"] == {"total": 2570, "trainable": 2570}
    assert datetime.fromisoformat(record["started"]) < datetime.fromisoformat(record["ended"])


def test_the_best_value_is_the_best_of_the_curve_and_lies_in_its_checkpoint(original: Path) -> None:
    best = read(original)["best"]
    curve = [float(row["val/loss"]) for row in rows(original) if row["val/loss"]]
    assert len(curve) == 2
    assert best["value"] == pytest.approx(min(curve), abs=1e-7)
    assert best["epoch"] == curve.index(min(curve))
    checkpoint = torch.load(original / best["checkpoint"], weights_only=True)
    assert checkpoint["epoch"] == best["epoch"]


def test_the_best_accuracy_is_the_highest_without_a_mode(train: Command) -> None:
    run = train("model=softmax_regression", UNDRAWN, "trainer.max_epochs=3", "monitor=val/accuracy").run
    curve = [float(row["val/accuracy"]) for row in rows(run) if row["val/accuracy"]]
    assert read(run)["best"]["value"] == pytest.approx(max(curve), abs=1e-7)
    assert read(run)["best"]["mode"] == "max"


def test_the_folder_has_what_the_design_lists_and_nothing_half_written(original: Path) -> None:
    there = {path.name for path in original.iterdir()}
    whole = {"run.json", "arguments.json", ".hydra", ".lock", "metrics.csv", "checkpoints", "tensorboard", "train.log"}
    whole |= {"splits.json"}
    assert there - {"git.patch"} == whole | {"predictions", "figures"}  # where the code has changes
    names = ("best", "last", "previous")
    stored = {path.name for path in (original / "checkpoints").iterdir()}
    assert stored == {f"{name}.ckpt{end}" for name in names for end in ("", ".sha256")}
    assert {path.name for path in (original / ".hydra").iterdir()} == {"config.yaml", "overrides.yaml", "hydra.yaml"}
    assert list((original / "tensorboard").glob("events.out.tfevents.*"))


def test_every_checkpoint_is_plain_data_and_has_its_sha256(original: Path) -> None:
    for path in (original / "checkpoints").glob("*.ckpt"):
        assert torch.serialization.get_unsafe_globals_in_checkpoint(path) == []
        digest = path.with_name(f"{path.name}.sha256").read_text().split()[0]
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_end_says_scores_time_speed_folder_and_what_is_next(train: Command) -> None:
    ended = train(*SHORT)
    record, folder = read(ended.run), next(line.split()[-1] for line in ended.out.splitlines() if "folder" in line)
    assert f"test/accuracy   {record['metrics']['test/accuracy']:.4f}" in re.sub(r"(\S)  +", r"\1   ", ended.out)
    assert "samples/s" in ended.out
    assert Path(folder).parts[0] == "outputs"
    assert f"python -m src.eval run={folder}" in ended.out
    assert f"tensorboard --logdir {folder}" in ended.out


def test_a_process_without_a_terminal_gets_lines_and_no_bar(train: Command) -> None:
    ended = train(*SHORT)
    assert "\x1b" not in ended.err + ended.out
    assert sum(line.startswith("epoch ") for line in ended.err.splitlines()) == 1  # one for the one epoch


def test_the_same_seed_gives_the_same_bits_and_another_gives_others(train: Command) -> None:
    noisy = ("model=fashion_dnn", "trainer.max_epochs=2", "data.batch_size=200")  # dropout draws, too
    first, again, other = (train(*noisy, seed).run for seed in ("seed=0", "seed=0", "seed=1"))
    assert same_bits(weights(first), weights(again))
    assert rows(first) == rows(again)
    assert read(first)["metrics"] == read(again)["metrics"]
    assert not same_bits(weights(first), weights(other))
    assert rows(first) != rows(other)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_net_that_does_not_learn_keeps_the_weights_that_torch_draws_from_the_seed(seed: int, train: Command) -> None:
    run = train(*SHORT, "optimizer.lr=0", "data.batch_size=500", *([f"seed={seed}"] if seed else [])).run
    torch.manual_seed(seed)  # zero is a seed, and the default
    drawn = torch.nn.Linear(256, 10)
    assert torch.equal(weights(run)["net.linear.weight"], drawn.weight)
    assert torch.equal(weights(run)["net.linear.bias"], drawn.bias)


@pytest.mark.slow
def test_two_processes_give_the_same_bits_as_this_one(train: Command, tmp_path: Path) -> None:
    here = train(*SHORT).run
    command = [sys.executable, "-m", "src.train", *SHORT, f"hydra.run.dir={tmp_path / 'there'}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert same_bits(weights(here), weights(tmp_path / "there"))
    assert rows(here) == rows(tmp_path / "there")


def test_main_gives_a_sweeper_the_monitored_number(train: Command, tmp_path: Path) -> None:
    spy = tmp_path / "spy.py"
    spy.write_text(
        "from pathlib import Path\n\n\nclass Spy:\n"
        "    def on_job_end(self, config, job_return, **kwargs):\n"
        f"        Path({str(tmp_path / 'seen')!r}).write_text(repr(job_return.return_value))\n"
        "    def __getattr__(self, name):\n"
        "        return lambda **kwargs: None\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        run = train(*SHORT, "+hydra.callbacks.spy._target_=spy.Spy").run
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("spy", None)
    assert (tmp_path / "seen").read_text() == repr(read(run)["best"]["value"])


def test_a_run_without_checkpoints_still_has_its_monitored_number(train: Command) -> None:
    run = train(*FAST).run
    best = read(run)["best"]
    assert best["value"] == read(run)["metrics"]["val/loss"]
    assert best["checkpoint"] is None


def test_a_run_without_a_test_has_no_test_scores(train: Command) -> None:
    metrics = read(train(*FAST, "test=false").run)["metrics"]
    assert {name.split("/")[0] for name in metrics} == {"train", "val"}


def test_a_sweep_leaves_a_done_run_for_each_job(train: Command, tmp_path: Path) -> None:
    ended = train("-m", *FAST, "seed=0,1", "sweep=two")
    assert ended.code == 0, ended.err
    assert {run.parent for run in ended.runs} == {tmp_path / "outputs" / "sweeps" / "two"}
    assert [(read(run)["state"], read(run)["seed"]) for run in sorted(ended.runs, key=lambda r: read(r)["seed"])] == [
        ("done", 0),
        ("done", 1),
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {"sweeps"}


@pytest.mark.slow
def test_a_reordered_and_extended_sweep_finds_its_folders_again(train: Command) -> None:
    def folders(seeds: str) -> dict[int, str]:
        return {read(run)["seed"]: run.name for run in train("-m", *FAST, seeds, f"sweep={seeds[5:]}").runs}

    first, second = folders("seed=0,1"), folders("seed=2,1,0")
    assert len(set(second.values())) == 3
    assert {seed: second[seed] for seed in first} == first


def test_a_sweeps_folder_is_named_by_the_hash_that_its_record_has(train: Command) -> None:
    (run,) = train("-m", *FAST, "seed=3", "sweep=one").runs
    assert read(run)["config_hash"].startswith(run.name)


def test_hydras_own_key_puts_the_folder_elsewhere_and_none_stays_under_outputs(train: Command, tmp_path: Path) -> None:
    ended = train(*FAST, "hydra.run.dir=else/where")
    assert ended.run == tmp_path / "else" / "where"
    assert {path.name for path in tmp_path.iterdir()} == {"else"}


def test_two_runs_of_one_second_have_two_folders(train: Command) -> None:
    first, second = train(*FAST).run, train(*FAST).run
    assert first != second
    assert re.fullmatch(r"\d\d-\d\d-\d\d-[0-9a-f]{4}", first.name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", first.parent.name)


def test_the_whole_default_run_reads_digits_well(train: Command) -> None:
    assert read(train().run)["metrics"]["test/accuracy"] > 0.95


def interrupted(folder: Path, number: int) -> tuple[int, dict[str, Any], str]:
    """Send a signal to a run in its third epoch; return the exit code, run.json and what it printed as errors."""
    forever = ("-m", "src.train", "model=softmax_regression", "trainer.max_epochs=1000000")
    with (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, *forever, f"hydra.run.dir={folder / 'run'}"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    try:
        while "epoch 2" not in (folder / "err").read_text():
            assert process.poll() is None, (folder / "err").read_text()
            time.sleep(0.05)
        process.send_signal(number)
        code = process.wait(timeout=60)
    finally:
        process.kill()
    return code, read(folder / "run"), (folder / "err").read_text()


def test_ctrl_c_leaves_an_interrupted_run_and_no_traceback(tmp_path: Path) -> None:
    code, record, err = interrupted(tmp_path, signal.SIGINT)
    assert code == 130
    assert record["state"] == "interrupted"
    assert record["error"] == {"type": "Interrupted", "message": "SIGINT"}
    assert record["ended"] is not None
    assert record["epochs"] >= 2
    assert "Traceback" not in err
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] >= 1


@pytest.mark.slow
def test_a_killed_run_still_says_how_far_it_came(tmp_path: Path) -> None:
    code, record, _ = interrupted(tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert (record["state"], record["ended"]) == ("running", None)
    assert record["epochs"] >= 1
    assert record["metrics"]["val/accuracy"] > 0.2


@pytest.mark.slow
def test_a_failure_in_a_process_of_its_own_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    bad = [*FAST, "data.batch_size=2000", "data.drop_last=true", f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run([sys.executable, "-m", "src.train", *bad], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith("error: ")
    assert read(tmp_path / "run")["state"] == "failed"


def test_a_finished_run_can_be_moved_away(train: Command, tmp_path: Path) -> None:
    run = train(*SHORT).run
    shutil.move(run, tmp_path / "elsewhere")
    assert read(tmp_path / "elsewhere")["best"]["checkpoint"] == "checkpoints/best.ckpt"  # relative
