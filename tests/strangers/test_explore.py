"""`src.explore` for strangers' data: their loaders, what is in a batch, and what cannot be shown is a line."""

from pathlib import Path

import pytest
import torch

from src.explore import find_lr, plan
from src.view.survey import class_counts, contents, sizes, survey
from tests import toy
from tests.conftest import Command
from tests.strangers.plain import PAIRS, load

SHOWN = {  # of data: which pictures there are
    "tutorial": {"balance", "batch"},
    "autoencoder": {"batch"},
    "text": {"balance"},
    "many_val": {"balance"},
    "two_tasks": {"balance"},
    "multi_target": set(),
    "stream_val": set(),
    "boring_no_len": set(),
    "lm": set(),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore")  # theirs, of Lightning about their loaders
@pytest.mark.parametrize("name", SHOWN)
def test_data_of_any_kind_are_shown_and_what_cannot_be_is_a_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = survey(load(*PAIRS[name][:2])[1])
    said = capsys.readouterr().out
    assert set(figures) == SHOWN[name]
    assert ("no balance is drawn" in said) == ("balance" not in figures)
    assert ("no image is drawn" in said) == ("batch" not in figures)


@pytest.mark.filterwarnings("ignore")
def test_the_table_says_how_many_and_what_there_is_in_a_batch() -> None:
    data = load("tutorial", "tutorial")[1]
    assert list(sizes(data, "train")) == [["train", "", "20", "1,250"]]
    assert list(sizes(load("stream", "stream")[1], "train")) == [["train", "", "—", "—"]]
    many = load("many_val", "many_val")[1]
    assert [row[:2] for row in sizes(many, "val")] == [["val", "0"], ["val", "1"]]
    batch = {"x": [torch.tensor([[1.0, 3.0]])], "y": torch.tensor([2], dtype=torch.uint8), "name": ["a"]}
    assert list(contents(batch)) == [
        ["x[0]", "[1, 2]", "float32", "1", "2", "3"],
        ["y", "[1]", "uint8", "2", "2", "2"],
    ]
    data.setup("test")
    labels = torch.cat([y for _, y in data.test_dataloader()])
    assert class_counts(data, "test") == labels.bincount().tolist()


@pytest.mark.filterwarnings("ignore")
def test_a_rate_is_found_and_a_schedule_drawn_for_a_stranger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    trainer = toy.trainer(tmp_path, max_epochs=-1, max_steps=60, limit_val_batches=0)
    assert set(find_lr(*load("tutorial", "tutorial"), trainer)) == {"find_lr"}
    assert "learning rate=" in capsys.readouterr().out
    trainer = toy.trainer(tmp_path, max_epochs=3, limit_val_batches=0)
    assert set(plan(*load("shapes_unet", "unet"), trainer)) == {"schedule"}
    assert "30 steps" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")
def test_data_that_the_default_model_does_not_suit_are_explored_all_the_same(stranger: Command) -> None:
    ended = stranger("explore", "data=unet")
    assert ended.code == 0, ended.err
    assert "[16, 3, 24, 24]" in ended.out
