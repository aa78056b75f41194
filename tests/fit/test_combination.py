"""Settings that do not go together are refused before compute, in one line, or work."""

import itertools
import math
import re
from pathlib import Path

import lightning
import pytest
import torch
from hydra import compose, initialize_config_dir

from src.command.check import check
from src.config.build import build
from src.config.plain import plain
from src.config.schema import CONF, register
from src.fit.combination import check_step
from tests.conftest import FAST, Command

pytestmark = pytest.mark.filterwarnings("ignore:You passed `Trainer")  # which takes bf16 for 16-mixed on a CPU

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true")
CLIPPING = (
    (),
    ("trainer.gradient_clip_val=0.01",),
    ("trainer.gradient_clip_val=1", "trainer.gradient_clip_algorithm=value"),
)
ACCUMULATION = ((), ("trainer.accumulate_grad_batches=2",))
OPTIMIZERS = (
    *(("optimizer=adam",), ("optimizer=sgd",), ("optimizer=adamw", "optimizer.fused=false")),
    ("optimizer._target_=torch.optim.LBFGS", "~optimizer.fused"),
)
STRATEGIES = ((), ("trainer.strategy=dp", "trainer.devices=2"))
COMPILED = ((), ("trainer.compile=default",))
PAIRS = [
    (f"trainer.precision={precision}", *clip, *accumulation, *optimizer, *strategy, *compiled)
    for precision, clip, accumulation, optimizer, strategy, compiled in itertools.product(
        PRECISIONS, CLIPPING, ACCUMULATION, OPTIMIZERS, STRATEGIES, COMPILED
    )
    if sum(map(bool, (precision != "32-true", clip, accumulation, optimizer != OPTIMIZERS[0], strategy, compiled))) == 2
]


def scores(folder: Path, *overrides: str) -> dict[str, float]:
    """The scores of a short training; raises ValueError where the check before compute refuses it."""
    short = ("callback=[]", "logger=[]", "trainer.max_epochs=1", "trainer.limit_train_batches=4", f"run={folder}")
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(
            "train", ["model=softmax_regression", "trainer.enable_checkpointing=false", *short, *overrides]
        )
    check(config)
    lightning.seed_everything(0, verbose=False)
    trainer = build(plain(config)["trainer"])
    trainer.fit(build(plain(config)["model"]), build(plain(config)["data"]))
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_fused_optimizer_clips_as_one_that_is_not_fused(precision: str, optimizer: str, tmp_path: Path) -> None:
    given = (f"trainer.precision={precision}", f"optimizer={optimizer}", "trainer.gradient_clip_val=0.01")
    fused = scores(tmp_path, *given)
    assert fused == pytest.approx(scores(tmp_path, *given, "optimizer.fused=false"), rel=1e-5)
    if optimizer == "sgd":  # the scale of gradients is nothing to Adam
        assert fused != pytest.approx(scores(tmp_path, *given[:2]), rel=1e-2)


def test_what_would_clip_scaled_gradients_is_refused_and_its_cure_works(tmp_path: Path) -> None:
    given = ("trainer.precision=16-mixed", "trainer.gradient_clip_val=1")
    with pytest.raises(ValueError, match=r"trainer.precision=16-mixed: .*: set optimizer.fused=false"):
        scores(tmp_path, *given)
    assert scores(tmp_path, *given, "optimizer.fused=false")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["optimizer._target_=torch.optim.SparseAdam", "~optimizer.fused"], "dense gradients"),
        (["optimizer.foreach=true"], "cannot be `True` together"),
        (["trainer.profiler=foo"], "simple"),
        (["model.loss._target_=torch.nn.MSELoss"], "model.loss=MSELoss: it cannot judge data.task=multiclass ("),
        (["model.loss._target_=torch.nn.BCEWithLogitsLoss"], "model.loss=BCEWithLogitsLoss: it cannot judge"),
        (["model.loss.reduction=none"], "model.loss.reduction=mean"),
        (["scheduler=none", "scheduler.warmup=0.1"], "scheduler.warmup=0.1: scheduler=none has none that takes it"),
        (["trainer.gradient_clip_algorithm=foo"], "norm"),
        (["trainer.max_time=abc"], "DD:HH:MM:SS"),
        (["trainer.limit_val_batches=1.5"], "1.5"),
        (["trainer.reload_dataloaders_every_n_epochs=-1"], "-1"),
        (["trainer.precision=transformer-engine"], "transformer_engine"),
        (["trainer.barebones=true"], "barebones"),
        *(([f"trainer.{key}=0"], f"trainer.{key}=0: ") for key in ("max_epochs", "max_steps", "limit_train_batches")),
        *(([f"trainer.{key}=0"], f"trainer.{key}=0: ") for key in ("accumulate_grad_batches", "val_check_interval")),
        (["trainer.check_val_every_n_epoch=0"], "trainer.check_val_every_n_epoch=0: "),
        (["trainer.gradient_clip_val=-1"], "trainer.gradient_clip_val=-1: "),
    ],
)
def test_what_cannot_be_is_found_before_compute(overrides: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        scores(tmp_path, *overrides)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("overrides", PAIRS, ids=" ".join)
def test_each_pair_trains_or_is_refused_before_compute(overrides: tuple[str, ...], tmp_path: Path) -> None:
    is_fused = not any("fused" in override for override in overrides)
    if is_fused and "trainer.precision=16-mixed" in overrides and any("clip" in override for override in overrides):
        with pytest.raises(ValueError, match=r"set optimizer\.fused=false"):
            scores(tmp_path, *overrides)
    elif "trainer.strategy=dp" in overrides and "trainer.compile=default" in overrides:
        with pytest.raises(ValueError, match=r"set trainer\.strategy=ddp, or trainer\.compile=null"):
            scores(tmp_path, *overrides)
    else:
        assert all(map(math.isfinite, scores(tmp_path, *overrides).values()))


def test_an_optimizer_of_matrices_alone_says_what_the_net_has_beside_them(tmp_path: Path) -> None:
    muon = ("optimizer._target_=torch.optim.Muon", "~optimizer.fused")
    with pytest.raises(ValueError, match=r"^optimizer\._target_=torch\.optim\.Muon: .* 1 dimensions, .*=adamw$"):
        scores(tmp_path, *muon)
    check_step(torch.optim.Muon([torch.nn.Parameter(torch.zeros(1, 1))]), {})


def test_the_command_of_the_readme_trains(train: Command) -> None:
    ended = train(*FAST, "trainer.gradient_clip_val=1", "trainer.precision=bf16-mixed")
    assert ended.code == 0, ended.err
