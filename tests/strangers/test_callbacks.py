"""Every callback for strangers' modules and data: it works, or one line in the log says what is left out."""

import json
import logging
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.callback.draw import draw, points
from src.callback.embeddings import Embeddings
from src.callback.figures import Figures
from src.callback.graph import Graph
from src.callback.histograms import Histograms
from src.callback.hparams import HParams, choices
from src.callback.lookahead import Lookahead
from src.callback.pr_curves import PRCurves
from src.callback.predictions import Predictions
from src.callback.range_test import RangeTest
from src.callback.rates import Rates
from src.callback.samples import Samples
from src.callback.whiten import Whiten
from src.fit.csv_logger import CSV
from tests.strangers.plain import PAIRS, load

RUN = {"model": "mine", "data": "theirs", "seed": 0, "overrides": ["model=mine"], "command": "x"}
RUN |= {"best": {"metric": "val_loss", "mode": "min", "value": None, "epoch": None, "checkpoint": None}, "metrics": {}}
GRAPHLESS = {"gan", "wiki"}  # its forward is the generator's, and no step can be tried; its output varies
UNLOGGED = {"silent", "boring_manual"}
QUICK = ("autoencoder", "parts", "gan", "silent", "many_val")
SLOW = ("classifier_conv", "unet", "tutorial", "text", "text_gru", "lm", "multi_target", "contrastive", "stream")
SLOW += ("plateau", "raw_batches", "two_tasks", "boring_manual", "boring_dict", "wiki")
TESTED = ("autoencoder", "classifier_conv", "unet", "many_val", "tutorial", "text", "parts")


def quick(folder: Path, *callbacks: lightning.Callback, **settings: Any) -> lightning.Trainer:
    """Lightning's own Trainer with our loggers, two short epochs."""
    (folder / "run.json").write_text(json.dumps(RUN))
    loggers = [TensorBoardLogger(folder, name="", version="tensorboard"), CSV(str(folder))]
    limits = {"limit_train_batches": 3, "limit_val_batches": 2, "limit_test_batches": 2, "log_every_n_steps": 1}
    quiet = dict.fromkeys(("enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    one: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "max_epochs": 2}
    defaults = one | limits | quiet | {"logger": loggers, "default_root_dir": folder, "callbacks": list(callbacks)}
    return lightning.Trainer(**defaults | settings)


def everything(folder: Path, *, test: bool) -> list[lightning.Callback]:
    said = str(folder / "predictions")
    shown = [Graph(), Histograms(), Samples(), Embeddings(), PRCurves(said), HParams(str(folder), test=test)]
    return [Lookahead(), Predictions(said), *shown, Figures(str(folder), monitor="val_loss", test=test)]


def tags(folder: Path) -> dict[str, Any]:
    return EventAccumulator(str(folder / "tensorboard")).Reload().Tags()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("src.callback")]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)  # some write their data to the working folder
    caplog.set_level(logging.INFO, logger="src.callback")


@pytest.mark.filterwarnings("ignore")  # theirs, and of Lightning about them
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_all_callbacks_at_once_let_a_stranger_train_and_test(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    model, data = load(*PAIRS[name][:2])
    tests = name in TESTED
    trainer = quick(tmp_path, *everything(tmp_path, test=tests), **PAIRS[name][2])
    trainer.fit(model, data)
    if tests:
        trainer.test(model, data, verbose=False)
    assert trainer.global_step >= 3
    found, lines = tags(tmp_path), said(caplog)
    assert len(lines) == len(set(lines))  # each once, and not per batch
    assert sum("predictions/*.csv and their pictures are left out" in line for line in lines) == 1
    assert bool(found["graph"]) != any("no graph of the net" in line for line in lines)
    assert bool(found["graph"]) == (name not in GRAPHLESS), lines
    assert bool(found["histograms"])
    has_samples = "train/samples augmented" in found["images"]
    assert has_samples != any("callback.samples is left out" in line for line in lines)
    has_curves = name not in UNLOGGED
    assert (tmp_path / "figures" / "curves.png").exists() == has_curves, lines
    assert any("curves.png is left out" in line for line in lines) != has_curves
    if tests:
        embedded = list((tmp_path / "tensorboard").rglob("tensors.tsv"))
        assert bool(embedded) != any("callback.embeddings is left out" in line for line in lines)


def test_curves_of_strangers_names_are_those_of_metrics_csv_a_panel_for_each_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["step,epoch,train_loss,val_loss,lr-Adam,GAN/g,test_loss", "1,0,1.0,,0.1,,", "2,0,,0.5,,3.0,", "2,0,,,,,7.0"]
    (tmp_path / "metrics.csv").write_text("\n".join(rows))
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    assert set(points(tmp_path)) == {"train_loss", "val_loss", "GAN/g", "test_loss"}
    drawn: dict[str, Any] = {}
    monkeypatch.setattr("src.callback.draw.save", lambda figure, path: drawn.update({path.stem: figure}))
    draw(tmp_path, monitor="val_loss")
    panels = drawn["curves"].axes
    assert [panel.get_ylabel() for panel in panels] == ["loss", "GAN/g"]
    assert [line.get_label() for line in panels[0].lines] == ["train", "val", "best val: 0.5 at step 2"]


@pytest.mark.filterwarnings("ignore")
def test_hparams_have_the_rate_of_each_optimizer_or_of_none(tmp_path: Path) -> None:
    model, data = load("gan", "gan")
    trainer = quick(tmp_path, max_steps=2)
    trainer.fit(model, data)
    rates = [optimizer.defaults["lr"] for optimizer in trainer.optimizers]
    found = choices(tmp_path, trainer)
    assert [found["optimizer.lr"], found["optimizer 2.lr"]] == rates
    trainer.strategy.optimizers = []
    assert "optimizer.lr" not in choices(tmp_path, trainer)


@pytest.mark.filterwarnings("ignore")
def test_a_graph_draws_no_random_number_and_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    ends = []
    for callbacks in ([], [Graph()]):
        torch.manual_seed(0)
        model, data = load("classifier_conv", "classifier")  # with dropout and metrics in its steps
        trainer = quick(tmp_path, *callbacks)
        trainer.fit(model, data)
        ends.append({**model.state_dict(), **trainer.callback_metrics})
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.filterwarnings("ignore")
def test_whiten_is_refused_in_a_line_for_data_that_do_not_give_their_samples_in_order(tmp_path: Path) -> None:
    model, data = load("classifier", "classifier")
    with pytest.raises(ValueError, match="DigitsDataModule has no .*in_order.*callback=whiten"):
        quick(tmp_path, Whiten()).fit(model, data)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["tutorial", "plateau", "classifier", "text"])
def test_the_range_test_works_for_one_optimizer_whatever_schedule_there_is(name: str, tmp_path: Path) -> None:
    model, data = load(*PAIRS[name][:2])
    test = RangeTest(steps=20, high=1e-2)
    quick(tmp_path, test, max_epochs=-1, max_steps=20, limit_val_batches=0, limit_train_batches=1.0).fit(model, data)
    assert test.rates == pytest.approx([1e-6 * 1e4 ** (k / 19) for k in range(20)])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("callback", [RangeTest(), Rates()])
def test_rates_of_a_model_that_steps_by_itself_are_refused_in_a_line(callback: Any, tmp_path: Path) -> None:
    model, data = load("gan", "gan")
    with pytest.raises(ValueError, match="GAN steps by itself"):
        quick(tmp_path, callback).fit(model, data)


@pytest.mark.filterwarnings("ignore")
def test_a_schedule_that_steps_each_epoch_is_drawn_so_and_one_that_follows_a_score_is_refused(tmp_path: Path) -> None:
    model, data = load("tutorial", "tutorial")
    adam = torch.optim.Adam(model.parameters(), lr=0.8)
    halving = torch.optim.lr_scheduler.StepLR(adam, 1, gamma=0.5)
    model.configure_optimizers = lambda: ([adam], [halving])
    rates = Rates()
    quick(tmp_path, rates, max_epochs=3).fit(model, data)
    assert [rate for (rate,) in rates.rates] == pytest.approx([0.8] * 3 + [0.4] * 3 + [0.2] * 3)
    with pytest.raises(ValueError, match="follow from a score"):
        quick(tmp_path, Rates()).fit(*load("plateau", "plateau"))
