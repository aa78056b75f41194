"""trainer.compile: the plain net's weights but for roundings, under its keys; words where it cannot be."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from src.fit.trainer import Trainer
from tests import toy
from tests.conftest import Command

SMALL = ("model=mlp", "optimizer=sgd", "optimizer.lr=0.01", "logger=[]", "trainer.max_epochs=2")


def state(run: Path) -> dict[str, torch.Tensor]:
    """The weights of a run's last checkpoint."""
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_a_compiled_net_learns_what_the_plain_one_does_but_for_roundings(mode: str, train: Command) -> None:
    counters.clear()
    plain = train(*SMALL)
    assert not counters["stats"]
    compiled = train(*SMALL, f"trainer.compile={mode}")
    assert counters["stats"]["unique_graphs"]
    assert f"compile={mode}: faster, with other roundings" in (compiled.run / "train.log").read_text()
    expected, weights = state(plain.run), state(compiled.run)
    assert list(expected) == list(weights)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5)


def test_a_net_whose_layers_had_to_be_heard_is_compiled_again_by_the_next_fit(tmp_path: Path) -> None:
    net = nn.Linear(4, 3)
    module = toy.multiclass(net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.SGD)
    trainer = toy.trainer(tmp_path, compile="default", max_epochs=0)
    for _ in range(2):
        trainer.fit(module, toy.tabular())
        assert net._compiled_call_impl is not None
        module.unmerge()
        assert net._compiled_call_impl is None


def test_a_mode_that_does_not_exist_is_answered_by_the_nearest(train: Command) -> None:
    line = train(*SMALL, "trainer.compile=reduce_overhead").error
    assert line.endswith("trainer.compile=reduce_overhead: no such compile: did you mean reduce-overhead?")


def test_graphs_and_accumulation_are_refused_together() -> None:
    with pytest.raises(ValueError, match=r"reduce-overhead makes CUDA graphs.*set trainer\.compile=default"):
        Trainer(compile="reduce-overhead", accumulate_grad_batches=2)


def test_without_a_compiler_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"^trainer\.compile=default needs a C\+\+ compiler: install g\+\+, or set"):
        Trainer(compile="default")
