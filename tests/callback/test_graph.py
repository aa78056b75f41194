"""A net that cannot be traced trains without its graph."""

import logging
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from src.callback.graph import Graph
from tests import toy


class Never(nn.Linear):
    """A net that the tracer does not follow, and says so in many lines."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what a linear layer does, outside of the tracer."""
        if torch.jit.is_tracing():
            raise RuntimeError("not to be traced\n" + "and more\n" * 100)
        return super().forward(input)


def test_a_net_that_cannot_be_traced_trains_and_the_log_says_why_in_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    sgd = torch.optim.SGD
    model = toy.multiclass(
        Never(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=lambda weights: sgd(weights, lr=0.1)
    )
    trainer = toy.trainer(tmp_path, callbacks=[Graph()], logger=TensorBoardLogger(str(tmp_path)))
    with caplog.at_level(logging.WARNING, logger="src"):
        trainer.fit(model, toy.tabular())
    assert trainer.global_step == 1
    assert [record.getMessage() for record in caplog.records if record.name == "src.callback.graph"] == [
        "TensorBoard gets no graph of the net: RuntimeError: not to be traced"
    ]
    assert "not to be traced" not in "".join(capfd.readouterr()).replace(caplog.text, "")
