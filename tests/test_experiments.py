"""Experiments to their end, where that takes seconds and a closed form says what must come out."""

from pathlib import Path

import numpy as np
import pytest
import torch

from src.data.read.temperature import CELSIUS, READINGS
from src.run.record import read
from tests.conftest import Command


def line(run: Path) -> tuple[float, float]:
    """The slope and the offset in the last checkpoint of a linear regression."""
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state["net.linear.weight"].item(), state["net.linear.bias"].item()


@pytest.mark.slow
def test_on_all_eleven_points_temperature_linear_is_within_a_hundredth_of_least_squares(train: Command) -> None:
    run = train("experiment=temperature_linear", "data.val_fraction=0", "monitor=train/loss").run
    assert line(run) == pytest.approx(tuple(np.polyfit(np.array(READINGS) * 0.1, CELSIUS, 1)), rel=0.01)


@pytest.mark.slow
def test_one_layer_stays_at_ln_2_on_xor(train: Command) -> None:
    record = read(train("experiment=gate_xor_perceptron").run)
    assert record["metrics"]["test/loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert record["metrics"]["test/accuracy"] <= 0.5
    assert record["steps"] == 10_001
