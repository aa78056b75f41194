"""`src.train rerun=DIR`: the run again from its record, and an honest answer whether it gave the same."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from src.run.checkpoint_io import CheckpointIO
from src.run.record import read
from tests.conftest import ROOT, UNDRAWN, Command, Ended

FILES = ("metrics.csv", "arguments.json")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def change(run: Path, **fields: Any) -> None:
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def differences(ended: Ended, *, code: int = 0) -> list[str]:
    assert ended.code == code, ended.err
    found: list[str] = read(ended.run)["rerun"]["differences"]
    return found


def test_a_run_is_repeated_bit_for_bit_in_a_folder_of_its_own(finished: Path, train: Command) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    ended = train(f"rerun={finished}")
    assert "bit for bit equal" in ended.err
    assert read(ended.run)["rerun"] == {"of": str(finished), "equal": True, "differences": differences(ended)}
    assert ended.run != finished
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before
    assert (ended.run / "metrics.csv").read_bytes() == (finished / "metrics.csv").read_bytes()
    for key in ("config_hash", "model", "data", "overrides", "data_fingerprint"):
        assert key == "overrides" or read(ended.run)[key] == read(finished)[key]


def test_the_repetition_is_a_run_like_any_other(finished: Path, train: Command, evaluate: Command) -> None:
    again = train(f"rerun={finished}").run
    assert evaluate(f"run={again}").code == 0
    assert "is done" in train(f"run={again}").err
    assert "bit for bit equal" in train(f"rerun={again}").err


def test_an_override_is_run_and_said_to_differ(finished: Path, train: Command) -> None:
    ended = train(f"rerun={finished}", "optimizer.lr=0.01")
    found = "\n".join(differences(ended))
    assert "not equal" in ended.err
    assert "arguments.optimizer.lr: 0.001, now 0.01" in found
    for name in ("test/loss differs by", "metrics.csv: val/loss differs by up to", "last.ckpt differs by up to"):
        assert name in found
    one, other = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (finished, ended.run)
    )
    largest = max((one[key] - other[key]).abs().max().item() for key in one)
    assert f"last.ckpt differs by up to {largest:.3g} (in {len(one)} of {len(one)} tensors)" in found


def test_one_bit_of_a_weight_and_one_digit_of_a_curve_are_noticed(finished: Path, train: Command) -> None:
    path = finished / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    weight = next(iter(checkpoint["state_dict"].values()))
    weight.view(-1)[0] = torch.nextafter(weight.view(-1)[0], torch.tensor(9.0))
    CheckpointIO().save_checkpoint(checkpoint, path)
    with (finished / "metrics.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    row = next(row for row in rows if row[header.index("val/loss")])
    row[header.index("val/loss")] = repr(math.nextafter(float(row[header.index("val/loss")]), 9))
    with (finished / "metrics.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])

    ended = train(f"rerun={finished}")
    assert ended.err.splitlines()[-1].startswith(f"error: rerun={finished}: outputs/")
    found = [line for line in differences(ended, code=1) if "differs by" in line]
    assert len(found) == 2
    assert found[0].startswith("metrics.csv: val/loss differs by up to")
    assert found[1].startswith("best.ckpt differs by up to")
    assert "(in 1 of" in found[0]
    assert "(in 1 of" in found[1]


def test_a_run_made_longer_says_so_beforehand_and_where_it_is_not_equal(train: Command) -> None:
    short = ("model=softmax_regression", UNDRAWN, "trainer.max_epochs=1")
    longer = {name: train(*short, f"scheduler={name}").run for name in ("cosine", "none")}
    for run in longer.values():
        assert train(f"run={run}", "trainer.max_epochs=2").code == 0
    ended = train(f"rerun={longer['cosine']}")
    assert "made longer after step 41 ({'max_epochs': 1}, then {'max_epochs': 2})" in ended.err.splitlines()[0]
    assert "is not equal: it was made longer after step 41" in ended.err.splitlines()[-1]
    assert differences(ended, code=1)[0].startswith("it was made longer")
    assert "bit for bit equal" in train(f"rerun={longer['none']}").err  # whose rates follow no length


def test_columns_of_time_are_not_compared(finished: Path, train: Command) -> None:
    with (finished / "metrics.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    with (finished / "metrics.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[*header, "epoch_seconds"], *([*row, "1.5"] for row in rows)])
    assert "bit for bit equal" in train(f"rerun={finished}").err


def test_the_number_of_threads_is_restored_and_what_differs_on_paper_is_said(finished: Path, train: Command) -> None:
    record = read(finished)
    threads = torch.get_num_threads() + 1
    versions = record["versions"] | {"torch": "1.0"}
    change(
        finished, host=record["host"] | {"threads": threads, "cpu": "abacus"}, versions=versions, git={"commit": "0"}
    )
    ended = train(f"rerun={finished}")
    assert read(ended.run)["host"]["threads"] == threads
    assert f"versions.torch: 1.0, now {torch.__version__.partition('+')[0]}" in ended.err.splitlines()[0] + ended.err
    found = "\n".join(read(ended.run)["rerun"]["differences"])  # with other threads, other bits
    assert "host.cpu: abacus, now" in found
    assert "git.commit: 0, now" in found
    assert "host.threads" not in found


def test_other_data_is_said_to_be_other(finished: Path, train: Command) -> None:
    change(finished, data_fingerprint={"train": "0", "test": read(finished)["data_fingerprint"]["test"]})
    found = [line for line in differences(train(f"rerun={finished}")) if "data_fingerprint" in line]
    assert len(found) == 1
    assert found[0].startswith("data_fingerprint.train: 0, now ")


def test_a_job_of_a_sweep_is_repeated_too(train: Command) -> None:
    jobs = train("-m", "model=softmax_regression", "trainer.max_epochs=1", "sweep=jobs", "seed=0,1").runs
    (job,) = (job for job in jobs if read(job)["seed"] == 1)
    ended = train(f"rerun={job}")
    assert "bit for bit equal" in ended.err
    assert read(ended.run)["seed"] == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"state": "running"}, "its state is running"),
        ({"state": None}, "its state is None"),
        ({"metrics": None, "host": 1}, "is torn: it has no metrics, host"),
        ({"overrides": "x"}, "is torn: it has no overrides"),
    ],
    ids=str,
)
def test_a_torn_record_is_named_before_a_folder_is_made(
    fields: dict[str, Any], says: str, finished: Path, train: Command
) -> None:
    change(finished, **fields)
    ended = train(f"rerun={finished}")
    assert says in ended.error
    assert not ended.runs


@pytest.mark.parametrize("name", ["run.json", *FILES, "checkpoints/last.ckpt", ".hydra/config.yaml"])
def test_a_torn_file_is_named_before_training(name: str, finished: Path, train: Command) -> None:
    path = finished / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"\xff\0")
    error = train(f"rerun={finished}").error
    assert path.name in error


def test_two_folders_or_a_sweep_make_no_rerun(finished: Path, train: Command) -> None:
    assert "give one of them" in train(f"rerun={finished}", f"run={finished}").error
    assert "leave out -m" in train("-m", f"rerun={finished}", "seed=0,1").error
    assert "no such folder" in train("rerun=nowhere").error


def test_the_arguments_are_all_there_with_the_defaults_of_the_constructors(finished: Path) -> None:
    arguments = json.loads((finished / "arguments.json").read_text())
    assert arguments["optimizer"]["betas"] == [0.9, 0.999]
    assert arguments["trainer"]["accumulate_grad_batches"] == 1
    assert arguments["data"]["val_fraction"] == 0.1
    assert arguments["model"]["net"]["shape"] == [1, 16, 16]
    assert "${" not in (finished / "arguments.json").read_text()


def test_data_has_the_same_fingerprint_in_each_run_and_another_for_another_choice(train: Command) -> None:
    short = ("model=softmax_regression", "trainer.max_epochs=1")
    one, same, other = (
        read(train(*short, *choice).run)["data_fingerprint"] for choice in ([], ["seed=3"], ["data.classes=['3','8']"])
    )
    assert one == same
    assert set(one) == {"train", "test"}
    assert not set(one.values()) & set(other.values())


def test_the_patch_makes_the_recorded_commit_the_code_that_ran(tmp_path: Path) -> None:
    code, clone, run = tmp_path / "code", tmp_path / "clone", tmp_path / "run"
    shutil.copytree(ROOT / "src", code / "src", ignore=shutil.ignore_patterns("__pycache__"))
    run.mkdir()

    def git(folder: Path, *words: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.hooksPath=/dev/null")
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)

    def recorded() -> Any:
        program = "import json, sys, pathlib, src.run.record as r; print(json.dumps(r.git(pathlib.Path(sys.argv[1]))))"
        environment = os.environ | {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program, str(run)], cwd=code, env=environment, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    git(code, "init", "-q")
    git(code, "add", ".")
    git(code, "commit", "-qm", "one")
    assert recorded()["patch"] is None
    git(tmp_path, "clone", "-q", str(code), str(clone))
    (code / "src" / "train.py").write_text("changed = 'ü'\n")
    (code / "src" / "eval.py").unlink()
    (code / "src" / "net" / "new one.py").write_text("new = 1\n")
    found = recorded()
    assert (found["dirty"], found["patch"]) == (True, "git.patch")
    git(clone, "apply", str(run / "git.patch"))
    for name in ("src/train.py", "src/net/new one.py"):
        assert (clone / name).read_bytes() == (code / name).read_bytes()
    assert not (clone / "src" / "eval.py").exists()

    (code / "src" / "net" / "big.py").write_text("x = 1\n" * 300_000)
    assert recorded()["patch"].startswith("left out: 2,")
    assert not (run / "git.patch").exists()
    git(code, "add", ".")
    git(code, "commit", "-qm", "two")
    assert recorded()["dirty"] is False


def test_a_path_in_a_rerun_is_anchored_in_the_new_folder(finished: Path, train: Command, tmp_path: Path) -> None:
    path = finished / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    OmegaConf.update(config, "callback.checkpoint.folder", str(tmp_path / "elsewhere"))
    OmegaConf.save(config, path)
    assert "lies outside of the run folder" in train(f"rerun={finished}").error
    assert not (tmp_path / "elsewhere").exists()
