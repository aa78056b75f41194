"""What a stranger's model or data does not take is refused before compute or left out of the record; the rest runs."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from src.config.plain import plain, untaken
from tests.conftest import Command

TUTORIAL = ("model=tutorial", "data=tutorial")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["optimizer=sgd"], "optimizer=sgd: DigitClassifier makes its own optimizer"),
        (["optimizer.lr=0.5"], "optimizer.lr=0.5: DigitClassifier makes its own optimizer"),
        (["scheduler=step"], "scheduler=step: DigitClassifier makes its own scheduler"),
        (["model.learning_rat=1"], "model.learning_rat=1"),
        (["data.batch_sizes=8"], "data.batch_sizes=8"),
        (["monitor=valid_acc"], "monitor=valid_acc: DigitClassifier does not log it; it logs val_loss, val_acc"),
        (["+callback=early_stopping"], "callback.early_stopping.monitor=val/loss: DigitClassifier does not log it"),
        (["trainer.compile=default"], "trainer.compile: lab.tutorial.DigitClassifier has no net"),
        (["trainer.strategy=dp", "trainer.accelerator=cpu", "trainer.devices=2"], "trainer.strategy=dp"),
    ],
    ids=str,
)
def test_what_a_strangers_model_does_not_take_is_one_line_before_compute(
    words: list[str], line: str, stranger: Command, lab: Path
) -> None:
    name = next(word for word in (lab / "conf/model/tutorial.yaml").read_text().split() if "lab.tutorial." in word)
    ended = stranger("train", *TUTORIAL, *words)
    assert ended.code == 1
    said = ended.err.splitlines()[-1]
    assert said.startswith("error: ")
    assert line.replace("DigitClassifier", name.rpartition(".")[2]) in said, said
    assert not list(lab.rglob("*.ckpt"))


@pytest.mark.parametrize("words", [("-m", "optimizer.lr=0.1,0.2"), ("-m", "search=random", "search.trials=2")], ids=str)
def test_so_it_is_in_a_sweep_and_a_search_before_job_0(words: tuple[str, ...], stranger: Command, lab: Path) -> None:
    ended = stranger("train", *TUTORIAL, *words)
    assert ended.code == 1
    assert "makes its own optimizer" in ended.err
    assert not list(lab.rglob("run.json"))


def test_an_optimizer_that_nobody_asked_for_is_in_neither_record_nor_hash(stranger: Command) -> None:
    run = stranger("train", *TUTORIAL, "debug=fast").run
    assert not OmegaConf.load(run / ".hydra" / "config.yaml").get("optimizer")
    assert not json.loads((run / "arguments.json").read_text()).get("optimizer")


def test_what_another_group_refers_to_is_taken() -> None:
    run = {"data": {}, "trainer": {}, "optimizer": {"lr": 1}, "scheduler": {"final": 0}}
    for model, empty in (
        ({"optimizer": "${optimizer}"}, ["scheduler"]),
        ({"deep": [{"lr": "${optimizer.lr}"}], "s": "${scheduler}"}, []),
        ({"name": "optimizer"}, ["optimizer", "scheduler"]),
    ):
        config = OmegaConf.create({"model": model, **run})
        assert untaken(config) == empty
        assert [group for group in ("optimizer", "scheduler") if not plain(config)[group]] == empty


def test_facts_that_stand_beside_the_arguments_of_anybodys_data_let_our_models_take_them(
    stranger: Command, lab: Path
) -> None:
    path = lab / "conf" / "data" / "tutorial.yaml"
    without = stranger("train", "model=softmax_regression", "data=tutorial", "debug=fast")
    assert without.code == 1
    assert "the data's config does not state" in without.err
    facts = "\nshape: [1, 8, 8]\nclasses: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']\ntask: multiclass\n"
    path.write_text(path.read_text() + facts)
    run = stranger("train", "model=softmax_regression", "data=tutorial", "optimizer.lr=0.05", "~callback.figures").run
    assert json.loads((run / "run.json").read_text())["metrics"]["test/accuracy"] > 0.5


def test_a_strangers_module_on_our_data_trains_without_a_false_refusal(stranger: Command) -> None:
    run = stranger("train", "model=tutorial", "data=digits", "data.image_size=8", "debug=fast")
    assert run.code == 0, run.err


def test_an_error_in_a_persons_own_code_says_where(stranger: Command) -> None:
    ended = stranger("train", "model=autoencoder", "data=digits", "debug=fast")  # (x, y), of which it takes x alone
    assert "lab/autoencoder.py:" in ended.err.splitlines()[-1]
