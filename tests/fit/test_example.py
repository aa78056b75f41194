"""What a module declares to be called with is tried before compute, and the trial leaves no trace."""

import random
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from src.fit.example import check_example
from src.fit.rehearsal import Rehearsal
from tests import toy


class Declares(lightning.LightningModule):
    """Takes four numbers, keeps statistics of what it gets, and draws from every generator."""

    def __init__(self, example: Any):
        super().__init__()
        self.example_input_array = example
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
        self.register_buffer("calls", torch.zeros(()))
        self.steps = 0

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        self.calls += 1
        self.log("calls", self.calls)
        assert self.trainer is not None
        return self.net(x) * scale + torch.rand(()) + np.random.rand() + random.random()

    def training_step(self, batch: Tensor) -> Tensor:
        self.steps += 1
        return self.net(batch).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Bare(Declares):
    """Has no forward."""

    forward = lightning.LightningModule.forward  # type: ignore[assignment]


class OneOfItsKind(Declares):
    """Cannot be copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("one of its kind")


def check(tmp_path: Path, module: Declares) -> None:
    check_example(toy.trainer(tmp_path), module)


@pytest.mark.parametrize(
    "example", [None, torch.zeros(2, 4), (torch.zeros(1, 4),), {"x": torch.zeros(3, 4), "scale": 2.0}]
)
def test_what_fits_is_called_and_nothing_of_it_stays(example: Any, tmp_path: Path) -> None:
    module = Declares(example)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[union-attr]
    check(tmp_path, module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert module.training
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    assert states[2] == random.getstate()


@pytest.mark.parametrize("example", [torch.zeros(2, 5), (torch.zeros(2, 5),), {"x": torch.zeros(2, 5)}])
def test_what_does_not_fit_is_a_line_with_the_module_and_the_shape(example: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Declares\.example_input_array of shape \[2, 5\]: .*2x5 and 4x8") as found:
        check(tmp_path, Declares(example))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("kind", [Bare, OneOfItsKind])
def test_a_module_that_cannot_be_tried_is_left_alone(kind: type[Declares], tmp_path: Path) -> None:
    check(tmp_path, kind(torch.zeros(2, 5)))


def test_a_fit_tries_it_before_its_first_step_where_it_starts_anew(tmp_path: Path) -> None:
    for is_resumed, steps in ((False, 0), (True, 4)):
        module = Declares(torch.zeros(2, 5))
        judged = Rehearsal(monitor="val_loss", is_required=False, is_resumed=is_resumed)
        trainer = toy.trainer(tmp_path, callbacks=[judged])
        loader: Any = DataLoader(torch.randn(40, 4), batch_size=10)  # type: ignore[arg-type]
        if steps:
            trainer.fit(module, loader)
        else:
            with pytest.raises(ValueError, match="example_input_array"):
                trainer.fit(module, loader)
        assert module.steps == steps
