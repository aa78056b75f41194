"""What may be set from the command line without a `+`, and what is recorded of it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from src.config.schema import CONF
from src.run.record import read
from tests.conftest import FAST, SHORT, Command


@pytest.mark.parametrize(
    "argument",
    ["trainer.gradient_clip_val=1", "trainer.accumulate_grad_batches=2", "optimizer.eps=1e-6", "model.metrics=[f1]"],
)
def test_what_a_constructor_takes_needs_no_plus(argument: str, train: Command) -> None:
    ended = train(*FAST, argument)
    assert ended.code == 0, ended.err
    assert read(ended.run)["overrides"] == [*FAST, argument]


def test_momentum_reaches_the_optimizer(train: Command) -> None:
    def weights(*arguments: str) -> list[float]:
        ended = train(*SHORT, "optimizer=sgd", "data.batch_size=300", *arguments)
        return list(read(ended.run)["metrics"].values())

    assert weights() == weights("optimizer.momentum=0.0")
    assert weights() != weights("optimizer.momentum=0.9")


def test_label_smoothing_reaches_the_loss_that_the_task_chose(train: Command) -> None:
    def losses(*arguments: str) -> dict[str, float]:
        ended = train(*FAST, *arguments)
        assert ended.code == 0, ended.err
        return read(ended.run)["metrics"]

    plain, smooth = losses(), losses("model.loss.label_smoothing=0.1")
    assert plain["train/loss"] != smooth["train/loss"]
    assert plain["train/accuracy"] == smooth["train/accuracy"]  # the first batch, before any step


def test_gradient_clipping_changes_the_steps(train: Command) -> None:
    short = ("model=softmax_regression", "trainer.max_epochs=1", "optimizer=sgd", "data.batch_size=300")
    free, clipped = (train(*short, *more) for more in ([], ["trainer.gradient_clip_val=0.001"]))
    assert read(free.run)["metrics"] != read(clipped.run)["metrics"]


def test_plus_adds_a_callback_and_tilde_removes_one(train: Command) -> None:
    ended = train(*SHORT, "+callback=early_stopping", "~callback.progress")
    config = OmegaConf.load(ended.run / ".hydra" / "config.yaml")
    assert list(config.callback) == ["checkpoint", "guard", "predictions", "hparams", "early_stopping"]
    assert "epoch" not in ended.err  # the progress callback would have written a line


def test_early_stopping_stops(train: Command) -> None:
    stop = ("+callback=early_stopping", "callback.early_stopping.patience=1", "callback.early_stopping.min_delta=9")
    ended = train("model=softmax_regression", "trainer.max_epochs=9", *stop)
    assert read(ended.run)["epochs"] == 2


def test_tags_are_recorded(train: Command) -> None:
    assert read(train(*FAST, "tags=[first,'a, b']").run)["tags"] == ["first", "a, b"]


def test_a_file_for_this_machine_is_read_where_there_is_one(train: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "local").mkdir(parents=True)
    (tmp_path / "mine" / "local" / "default.yaml").write_text("# @package _global_\nseed: 31\ntags: [here]\n")
    search = f"hydra.searchpath=[file://{tmp_path / 'mine'}]"
    ended = train(*FAST, search)
    assert (read(ended.run)["seed"], read(ended.run)["tags"]) == (31, ["here"])
    assert read(train(*FAST, search, "seed=2").run)["seed"] == 2  # the command line has the last word


def test_the_local_folder_is_the_users_own(tmp_path: Path) -> None:
    lines = (CONF.parent / ".gitignore").read_text().splitlines()
    assert "conf/local/*" in lines
