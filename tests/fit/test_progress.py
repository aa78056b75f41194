"""The bar shows the metrics on a terminal; elsewhere there is one line per epoch and nothing else."""

import io
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from src.fit.checkpoint import Checkpoint
from src.fit.progress import ProgressBar
from tests import toy

LOGGER = "src.fit.progress"


def fit(folder: Path, bar: ProgressBar, *, epochs: int = 3, resume: Path | None = None, **settings: Any) -> None:
    model = toy.multiclass(
        nn.Linear(4, 3),
        outputs=3,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD,
        metrics=["accuracy"],
    )
    callbacks = [bar, *settings.pop("callbacks", [])]
    trainer = toy.trainer(folder, max_epochs=epochs, callbacks=callbacks, **settings)
    trainer.fit(model, toy.tabular(batch_size=4), ckpt_path=resume)


def on_terminal() -> tuple[ProgressBar, io.StringIO]:
    bar, screen = ProgressBar(refresh_s=0.0), io.StringIO()
    bar.console = Console(file=screen, force_terminal=True, width=200)
    return bar, screen


def elsewhere() -> tuple[ProgressBar, io.StringIO]:
    bar, screen = ProgressBar(), io.StringIO()
    bar.console = Console(file=screen, force_terminal=False)
    return bar, screen


def test_without_a_terminal_the_log_gets_one_line_per_epoch_with_its_scores(tmp_path, caplog):
    bar, screen = elsewhere()
    with caplog.at_level(logging.INFO, LOGGER):
        fit(tmp_path, bar)
    lines = [record.message for record in caplog.records if record.name == LOGGER]
    assert [line.split()[:2] for line in lines] == [["epoch", "1"], ["epoch", "2"], ["epoch", "3"]]
    for line in lines:
        names = re.findall(r"(\S+/\S+) \d", line)
        assert sorted(names) == ["train/accuracy", "train/loss", "val/accuracy", "val/loss"]
    assert screen.getvalue() == ""


def test_each_line_holds_the_scores_of_its_own_epoch(tmp_path, caplog):
    points = toy.Points()
    with caplog.at_level(logging.INFO, LOGGER):
        fit(tmp_path, elsewhere()[0], logger=points, log_every_n_steps=1000)
    for name in ("train/loss", "val/loss"):
        shown = [re.search(rf"{name} (\S+)", record.message) for record in caplog.records if record.name == LOGGER]
        assert [match[1] for match in shown if match] == [f"{value:.4f}" for _, value in points.of(name)]


def test_on_a_terminal_the_bar_shows_epochs_and_metrics_and_leaves_a_line_per_epoch(tmp_path, caplog):
    bar, screen = on_terminal()
    with caplog.at_level(logging.INFO, LOGGER):
        fit(tmp_path, bar)
    shown = screen.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert shown != plain  # it draws
    assert "val/accuracy" in plain
    for epoch in (1, 2, 3):
        assert re.search(rf"epoch {epoch}  .*val/loss \d.* s", plain)
    assert not [record for record in caplog.records if record.name == LOGGER]
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor hides and comes back


def test_the_bar_is_removed_when_training_fails(tmp_path):
    def fail(trainer: Any, batch: Any) -> None:
        raise RuntimeError("stop")

    bar, screen = on_terminal()
    with pytest.raises(RuntimeError, match="stop"):
        fit(tmp_path, bar, callbacks=[toy.Each(fail)])
    assert bar.bar is None
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_a_run_that_goes_on_writes_the_lines_of_its_own_epochs_only(tmp_path, caplog):
    kept = Checkpoint(str(tmp_path), monitor="val/loss")
    fit(tmp_path, elsewhere()[0], epochs=2, callbacks=[kept])
    caplog.clear()
    with caplog.at_level(logging.INFO, LOGGER):
        fit(tmp_path, elsewhere()[0], epochs=4, resume=tmp_path / "last.ckpt", callbacks=[kept])
    lines = [record.message for record in caplog.records if record.name == LOGGER]
    assert [line.split()[:2] for line in lines] == [["epoch", "3"], ["epoch", "4"]]
    assert all("val/loss" in line for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_changes_no_bit_of_the_training(tmp_path, terminal):
    weights = []
    for bar in ([], [(on_terminal if terminal else elsewhere)()[0]]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3))
        model = toy.multiclass(net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.Adam)
        toy.trainer(tmp_path, max_epochs=2, callbacks=bar).fit(model, toy.tabular(batch_size=4))
        weights.append(net[1].weight.detach())
    assert torch.equal(*weights)
