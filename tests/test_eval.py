"""`src.eval`: the number that training said, again, from the folder alone."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from src.run.record import read
from tests.conftest import SHORT, UNDRAWN, Command, call

SCORES = ("test/loss", "test/accuracy")
WILD = ("optimizer=sgd", "optimizer.lr=10", "scheduler=none")  # each epoch is worse than the one before


def table(run: Path) -> list[dict[str, str]]:
    with (run / "eval.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_test_scores_are_exactly_those_that_training_said(finished: Path, evaluate: Command) -> None:
    ended = evaluate("run=last")
    assert ended.code == 0, ended.err
    (row,) = table(finished)
    assert {name: float(row[name]) for name in SCORES} == {name: read(finished)["metrics"][name] for name in SCORES}
    assert (row["checkpoint"], row["split"]) == ("best.ckpt", "test")
    assert f"{read(finished)['metrics']['test/accuracy']:.4f}" in ended.out


def test_the_test_scores_are_those_of_the_best_checkpoint_and_not_of_the_last(
    train: Command, evaluate: Command
) -> None:
    run = train(*SHORT, "trainer.max_epochs=2", *WILD).run  # the first is the best
    for checkpoint in ("best", "last"):
        assert evaluate(f"run={run}", f"checkpoint={checkpoint}").code == 0
    best, last = (float(row["test/loss"]) for row in table(run))
    assert best == read(run)["metrics"]["test/loss"]
    assert best != last


def test_the_val_scores_are_the_best_that_training_saw(finished: Path, evaluate: Command) -> None:
    assert evaluate(f"run={finished}", "split=val").code == 0
    (row,) = table(finished)
    assert float(row["val/loss"]) == read(finished)["best"]["value"]
    assert row["split"] == "val"


@pytest.mark.parametrize("name", ["a b, [1]", 'say "hi"', "it's", "a=b", "{x}$y", "back\\slash", "ü"])
def test_the_folder_alone_is_enough_whatever_it_is_called(
    name: str, original: Path, evaluate: Command, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(original, tmp_path / name))
    assert evaluate(f"run={moved}").code == 0
    (row,) = table(moved)
    assert float(row["test/accuracy"]) == read(original)["metrics"]["test/accuracy"]
    assert {path.name for path in tmp_path.iterdir()} == {name}  # no stray folder


def test_only_one_file_is_added_to_the_run(finished: Path, evaluate: Command) -> None:
    def files() -> dict[str, bytes]:
        return {str(p.relative_to(finished)): p.read_bytes() for p in finished.rglob("*") if p.is_file()}

    before = files()
    evaluate(f"run={finished}", "checkpoint=all")
    after = files()
    assert set(after) - set(before) == {"eval.csv"}
    assert {name: after[name] for name in before} == before


def test_all_is_a_row_per_checkpoint_with_its_own_epoch(finished: Path, evaluate: Command) -> None:
    assert evaluate(f"run={finished}", "checkpoint=all").code == 0
    found = {row["checkpoint"]: (int(row["epoch"]), int(row["step"])) for row in table(finished)}
    for path in (finished / "checkpoints").glob("*.ckpt"):
        stored = torch.load(path, weights_only=True)
        assert found.pop(path.name) == (stored["epoch"], stored["global_step"])
    assert not found


def test_a_second_call_replaces_its_rows_and_keeps_the_others(finished: Path, evaluate: Command) -> None:
    for arguments in ([], ["checkpoint=last"], ["split=val"], []):
        assert evaluate(f"run={finished}", *arguments).code == 0
    pairs = [(row["checkpoint"], row["split"]) for row in table(finished)]
    assert sorted(pairs) == [("best.ckpt", "test"), ("best.ckpt", "val"), ("last.ckpt", "test")]


def test_a_checkpoint_may_be_a_path_of_any_name(finished: Path, evaluate: Command, tmp_path: Path) -> None:
    kept = Path(shutil.copy(finished / "checkpoints" / "best.ckpt", tmp_path / "kept, [1] = x.ckpt"))
    assert evaluate(f"run={finished}", f"checkpoint={kept}").code == 0
    assert table(finished)[0]["checkpoint"] == kept.name
    assert float(table(finished)[0]["test/accuracy"]) == read(finished)["metrics"]["test/accuracy"]


@pytest.mark.parametrize("size", [1, 7, 360, 1000])
def test_the_batch_size_changes_no_score(size: int, finished: Path, evaluate: Command) -> None:
    assert evaluate(f"run={finished}", f"data.batch_size={size}").code == 0
    (row,) = table(finished)
    assert float(row["test/accuracy"]) == read(finished)["metrics"]["test/accuracy"]
    assert float(row["test/loss"]) == pytest.approx(read(finished)["metrics"]["test/loss"], rel=1e-5)


def test_a_group_can_be_chosen_anew(finished: Path, evaluate: Command) -> None:
    assert evaluate(f"run={finished}", "trainer=cpu").code == 0


def test_a_run_of_many_gpus_is_scored_explained_and_exported_on_what_there_is(
    finished: Path, tmp_path: Path, evaluate: Command, predict: Command, explain: Command, export: Command
) -> None:
    image = tmp_path / "x.png"
    Image.new("L", (8, 8)).save(image)
    path = finished / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    config.trainer.update(accelerator="gpu", devices=8, num_nodes=2, strategy="ddp", sync_batchnorm=True)
    OmegaConf.save(config, path)
    run, here = f"run={finished}", "trainer.accelerator=cpu"
    if not torch.cuda.is_available():
        assert "trainer.accelerator=gpu: PyTorch finds none here" in evaluate(run).error
    for ended in (
        evaluate(run, here),
        predict(run, here, f"input={image}"),
        explain(run, "method=saliency", f"input={image}"),
        export(run, "format=torch_export"),
    ):
        assert (ended.code, ended.err) == (0, "")


def test_the_recorded_config_is_used_and_not_todays(finished: Path, evaluate: Command) -> None:
    config = OmegaConf.load(finished / ".hydra" / "config.yaml")
    config.data.mean = [0.9]  # as if conf/data had been edited since: the scores follow the record
    OmegaConf.save(config, finished / ".hydra" / "config.yaml")
    assert evaluate(f"run={finished}").code == 0
    assert float(table(finished)[0]["test/loss"]) != read(finished)["metrics"]["test/loss"]


BAD = {
    "no run": ([], ["run=", "run=last"]),
    "no such folder": (["run=nowhere"], ["run=nowhere", "no such folder"]),
    "no run in the folder": (["run=."], ["run=.", "not a run folder"]),
    "a split that is none": (["run=last", "split=tset"], ["split=tset", "val, test"]),
    "the training split": (["run=last", "split=train"], ["split=train", "val, test"]),
    "a checkpoint that is none": (["run=last", "checkpoint=bets"], ["checkpoint=bets", "best, last, all or a path"]),
    "a checkpoint that is not there": (["run=last", "checkpoint=a/b.ckpt"], ["a/b.ckpt", "best, last"]),
    "a key of the net": (["run=last", "model.net.outpust=3"], ["model.net.outpust=3", "outputs?"]),
    "a key at the top": (["run=last", "chekpoint=all"], ["chekpoint", "checkpoint"]),
    "a forced key at the top": (["run=last", "+chekpoint=all"], ["chekpoint", "did you mean checkpoint?"]),
    "a wrong type": (["run=last", "data.batch_size=many"], ["data.batch_size='many'"]),
    "no samples in a batch": (["run=last", "data.batch_size=0"], ["data.batch_size=0"]),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], named: list[str], finished: Path, evaluate: Command, tmp_path: Path
) -> None:
    error = evaluate(*arguments).error
    for word in named:
        assert word in error
    assert not (finished / "eval.csv").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


def test_without_any_run_last_says_how_to_make_one(evaluate: Command, tmp_path: Path) -> None:
    assert "python -m src.train" in evaluate("run=last").error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("eighths", range(8))
def test_a_truncated_checkpoint_is_one_line(eighths: int, finished: Path, evaluate: Command) -> None:
    path = finished / "checkpoints" / "best.ckpt"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * eighths // 8])
    assert "is damaged" in evaluate(f"run={finished}").error
    path.with_name("best.ckpt.sha256").unlink()
    assert "best.ckpt does not load" in evaluate(f"run={finished}").error
    assert not (finished / "eval.csv").exists()


def test_a_flipped_bit_is_one_line(finished: Path, evaluate: Command) -> None:
    path = finished / "checkpoints" / "best.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    assert "is damaged" in evaluate(f"run={finished}").error


def test_a_missing_checkpoint_is_one_line_with_those_that_are_there(finished: Path, evaluate: Command) -> None:
    (finished / "checkpoints" / "best.ckpt").unlink()
    error = evaluate(f"run={finished}").error
    assert "best.ckpt does not exist" in error
    assert "last.ckpt" in error


def test_a_run_that_kept_none_says_so(finished: Path, evaluate: Command) -> None:
    shutil.rmtree(finished / "checkpoints")
    for choice in ("best", "last", "all"):
        assert "checkpoint" in evaluate(f"run={finished}", f"checkpoint={choice}").error


def test_a_checkpoint_of_another_net_is_one_line(finished: Path, evaluate: Command, tmp_path: Path) -> None:
    other = tmp_path / "other.ckpt"
    torch.save({"state_dict": torch.nn.Linear(3, 2).state_dict(), "epoch": 0, "global_step": 0}, other)
    assert "is of another net" in evaluate(f"run={finished}", f"checkpoint={other}").error


def test_a_damaged_record_is_one_line_and_names_its_file(finished: Path, evaluate: Command) -> None:
    config = finished / ".hydra" / "config.yaml"
    for content in ("", "- 1\n", "a: [", "model: {}\nextra: 1\n", "\xff\xfe"):
        config.write_bytes(content.encode("latin1"))
        assert "config.yaml" in evaluate(f"run={finished}").error


@pytest.mark.parametrize("part", ["callbacks.x", "launcher", "sweeper"])
def test_a_strangers_record_cannot_make_hydra_build_what_it_names(
    part: str, finished: Path, evaluate: Command, tmp_path: Path
) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.touch()
    path = finished / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    OmegaConf.update(config, f"hydra.{part}", {"_target_": "shutil.copy", "src": str(source), "dst": str(copy)})
    OmegaConf.save(config, path)
    assert "hydra" in evaluate(f"run={finished}").error
    assert not copy.exists()


def test_a_strangers_record_cannot_name_a_target_outside_the_list(
    finished: Path, evaluate: Command, tmp_path: Path
) -> None:
    path, mark = finished / ".hydra" / "config.yaml", tmp_path / "mark"
    config = OmegaConf.load(path)
    config.data.extra = {"_target_": "os.system", "command": f"touch {mark}"}
    OmegaConf.save(config, path)
    assert "_target_=os.system is not on the allow-list" in evaluate(f"run={finished}").error
    assert not mark.exists()


def test_a_net_with_dropout_is_scored_as_training_scored_it(tmp_path: Path, train: Command, evaluate: Command) -> None:
    run = train("model=fashion_dnn", UNDRAWN, "trainer.max_epochs=1", "data.batch_size=100").run
    assert evaluate("run=last").code == 0
    assert float(table(run)[0]["test/loss"]) == read(run)["metrics"]["test/loss"]


def test_a_run_without_validation_says_that_its_split_is_empty(train: Command, evaluate: Command) -> None:
    run = train(*SHORT, "data.val_fraction=0", "monitor=train/loss").run
    assert evaluate(f"run={run}").code == 0
    assert "val_fraction" in evaluate(f"run={run}", "split=val").error


def test_data_without_a_test_split_say_what_to_choose(train: Command, evaluate: Command) -> None:
    run = train("experiment=temperature_linear", "trainer.max_epochs=1", "data.passes=1").run
    assert "split=val" in evaluate(f"run={run}").error
    assert evaluate(f"run={run}", "split=val").code == 0


def test_eval_does_the_same_from_any_folder(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert call("eval", tmp_path / "elsewhere", f"run=../{finished.relative_to(tmp_path)}").code == 0
    assert list((tmp_path / "elsewhere").iterdir()) == []
