"""Supervised takes nets, losses, metrics, optimizers, schedules and batches of others, or says in a line why not."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

from src.command.check import check
from src.config.build import build
from src.config.owner import routed
from src.config.plain import plain
from src.model.learns import Learns
from src.model.stepping import Stepping
from src.model.supervised import Supervised
from src.run.record import read
from src.task.multiclass import Multiclass
from tests import toy
from tests.config.test_groups import composed
from tests.conftest import Command
from tests.strangers.lab.parts import BalancedAccuracy, FocalLoss, ObjectNet, SignMomentum, WarmupThenDecay, Wine


def joined(net: nn.Module | None = None, **settings: Any) -> Supervised:
    torch.manual_seed(0)
    task = Multiclass(outputs=3, loss=FocalLoss(), metrics=["accuracy", BalancedAccuracy()])
    return Supervised(net or ObjectNet(), **{"task": task, "optimizer": partial(SignMomentum, lr=0.01)} | settings)


def rates(folder: Any, scheduler: Callable[..., LRScheduler], **stepping: Any) -> list[float]:
    """The learning rate of each step of two epochs of 7."""
    seen: list[float] = []
    look = toy.Each(lambda trainer, batch: seen.append(trainer.optimizers[0].param_groups[0]["lr"]))
    model = joined(scheduler=scheduler, stepping=Stepping(**stepping))
    toy.trainer(folder, max_epochs=2, callbacks=[look]).fit(model, Wine())
    return seen


class Wrapped(nn.Module):
    """A net whose output is what `wrap` makes of its logits."""

    def __init__(self, wrap: Callable[[Tensor], Any]):
        super().__init__()
        self.linear = nn.Linear(13, 3)
        self.wrap = wrap

    def forward(self, x_BD: Tensor) -> Any:
        """Return them wrapped."""
        return self.wrap(self.linear(x_BD))


class Pair(NamedTuple):
    """A named tuple, as nets return it."""

    logits: Tensor
    hidden: Tensor


WRAPS: dict[str, Callable[[Tensor], Any]] = {
    "tensor": lambda logits_BK: logits_BK,
    "dict": lambda logits_BK: {"logits": logits_BK},
    "named tuple": lambda logits_BK: Pair(logits_BK, logits_BK),
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_net_may_wrap_its_output(wrap: str, tmp_path: Any) -> None:
    weights = []
    for chosen in (wrap, "tensor"):
        torch.manual_seed(0)
        model = joined(Wrapped(WRAPS[chosen]))
        toy.trainer(tmp_path).fit(model, Wine())
        weights.append(model.net.linear.weight.detach())
    assert torch.equal(*weights)


def test_an_output_in_which_there_is_no_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match="its output is a tuple, which has no tensor under any of logits, "):
        joined(Wrapped(lambda logits_BK: (logits_BK, logits_BK)))(torch.zeros(2, 13))


def test_a_strangers_loss_metric_and_optimizer_train_and_score(tmp_path: Any) -> None:
    model, data = joined(), Wine()
    trainer = toy.trainer(tmp_path, max_epochs=3)
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    x_ND, label_N = (torch.cat(parts) for parts in zip(*data.test_dataloader(), strict=True))
    with torch.no_grad():
        expected = BalancedAccuracy()(model.eval()(x_ND), label_N)
    assert trainer.callback_metrics["test/balanced_accuracy"] == pytest.approx(expected.item())
    assert expected > 0.8


def test_a_schedule_that_wants_no_length_steps_once_an_epoch_and_says_so(tmp_path: Any, caplog: Any) -> None:
    with caplog.at_level(logging.INFO, logger="src.model.stepping"):
        seen = rates(tmp_path, partial(StepLR, step_size=1, gamma=0.5))
    assert seen == pytest.approx([0.01] * 6 + [0.005] * 7 + [0.0025])  # the last batch ends the epoch
    assert "StepLR steps once an epoch; with scheduler.interval=step after each optimizer step" in caplog.messages


def test_or_with_each_step_where_that_is_said(tmp_path: Any) -> None:
    expected = [0.01 * min((n + 1) / 5, (5 / (n + 1)) ** 0.5) for n in range(15)]
    seen = rates(tmp_path, partial(WarmupThenDecay, warmup=5), interval="step")
    assert seen in (pytest.approx(expected[:14]), pytest.approx(expected[1:]))  # before or after the schedule's step


def test_torchs_own_one_cycle_is_told_the_length(tmp_path: Any) -> None:
    adam = {"optimizer": partial(torch.optim.Adam, lr=0.01), "scheduler": partial(OneCycleLR, max_lr=0.1)}
    trainer = toy.trainer(tmp_path, max_epochs=2)
    trainer.fit(joined(**adam), Wine())
    assert trainer.lr_scheduler_configs[0].scheduler.total_steps == 14


@pytest.mark.parametrize(("monitor", "mode", "ends"), [("val/loss", "min", 0.01), ("val/accuracy", "max", 0.01)])
def test_a_plateau_waits_while_the_score_gets_better(monitor: str, mode: str, ends: float, tmp_path: Any) -> None:
    plateau = partial(ReduceLROnPlateau, factor=0.1, patience=0, threshold=0.0)
    trainer = toy.trainer(tmp_path, max_epochs=2)
    trainer.fit(joined(scheduler=plateau, stepping=Stepping(monitor=monitor, mode=mode)), Wine())
    (config,) = trainer.lr_scheduler_configs
    assert (config.interval, config.monitor, config.scheduler.mode) == ("epoch", monitor, mode)
    assert config.scheduler.num_bad_epochs == 0
    assert trainer.optimizers[0].param_groups[0]["lr"] == ends


def test_the_config_tells_a_plateau_its_monitor_and_mode(tmp_path: Any) -> None:
    words = ("scheduler=plateau", "monitor=val/accuracy", "model=softmax_regression")
    check(composed(tmp_path, *words))
    stepping = build(plain(composed(tmp_path, *words))["model"]).stepping
    assert (stepping.monitor, stepping.mode, stepping.interval) == ("val/accuracy", "max", None)
    assert build(plain(composed(tmp_path, *words, "scheduler.interval=step"))["model"]).stepping.interval == "step"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scheduler.interval=batch"], r"scheduler\.interval=batch: choose from step, epoch"),
        (["scheduler=step", "scheduler.gamma=x"], r"scheduler\.gamma='x'"),
        (["scheduler.warmup=2"], r"scheduler\.warmup=2: a share of the run"),
        (["scheduler=plateau", "scheduler.factor=2"], r"scheduler: Factor should be < 1"),
        (["optimizer._partial_=false"], r"needs params: set optimizer\._partial_=true"),
    ],
)
def test_a_schedule_or_optimizer_that_cannot_be_made_is_refused(words: list[str], message: str, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=message):
        check(composed(tmp_path, *words))


class Own:
    """Data whose batches are what `collate` makes of them."""

    def __init__(self, collate: Callable[[Any], Any]):
        self.collate = collate

    def loader(self) -> DataLoader[Any]:
        """Three batches of ten."""
        samples = TensorDataset(torch.randn(30, 13), torch.arange(30) % 3)
        return DataLoader(samples, batch_size=10, collate_fn=self.collate)


def stacked(samples: Any) -> list[Tensor]:
    return [torch.stack(parts) for parts in zip(*samples, strict=True)]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_and_a_tuple_of_two_tensors_are_a_batch(kind: type, tmp_path: Any) -> None:
    trainer = toy.trainer(tmp_path)
    loader = Own(lambda samples: kind(stacked(samples))).loader()
    trainer.fit(joined(), loader, loader)
    assert trainer.global_step == 3


def test_another_batch_is_refused_in_a_line(tmp_path: Any) -> None:
    for collate, words in {
        "dict": (lambda samples: dict(zip("xy", stacked(samples), strict=True)), "a batch is a dict of x, y, and"),
        "three": (lambda samples: [*stacked(samples), torch.zeros(10)], "a batch is a list of 3, and"),
    }.values():
        with pytest.raises(ValueError, match=words):
            toy.trainer(tmp_path).fit(joined(), Own(collate).loader(), Own(collate).loader())


def test_weights_of_classes_that_nobody_counts_are_refused(tmp_path: Any) -> None:
    task = Multiclass(outputs=3, loss=nn.CrossEntropyLoss(), class_weights="balanced")
    with pytest.raises(ValueError, match=r"model\.class_weights=balanced: the data have no class_counts\(\)"):
        toy.trainer(tmp_path).fit(joined(task=task, learns=Learns()), Wine())


def create_model(
    name: str, pretrained: bool = False, num_classes: int = 1000, in_chans: int = 3, **more: Any
) -> nn.Module:
    """A net as timm makes it: of any keyword it does not know it complains only inside."""
    if more:
        raise TypeError(f"unexpected keyword arguments {list(more)}")
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * 256, num_classes))


def test_a_net_that_asks_for_no_shape_gets_none(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_TARGETS", "tests.strangers.test_joined")
    timm = "{_target_: tests.strangers.test_joined.create_model, name: x, num_classes: '${model.outputs}', in_chans: 1}"
    words = ("model=softmax_regression", f"model.net={timm}")
    check(composed(tmp_path, *words))
    net = routed(plain(composed(tmp_path, *words))["model"])["net"]
    assert {"shape", "outputs"}.isdisjoint(net)
    assert build(plain(composed(tmp_path, *words))["model"])(torch.zeros(2, 1, 16, 16)).shape == (2, 10)
    with pytest.raises(ValueError, match=r"model\.net\.outputs=5: .*takes no argument 'outputs': leave it out"):
        check(composed(tmp_path, *words, "model.net.outputs=5"))


def test_all_of_them_together_by_the_command(stranger: Command) -> None:
    words = ("model=joined", "data=parts", "scheduler=plateau", "monitor=val/balanced_accuracy")
    ended = stranger("train", *words, "trainer.max_epochs=2", "trainer=cpu")
    assert ended.code == 0, ended.err
    assert read(ended.run)["best"]["mode"] == "max"
    assert "test/balanced_accuracy" in read(ended.run)["metrics"]
