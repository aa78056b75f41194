"""Numbers, one or several: learnt by the training split's scale, scored and served in the units of the data."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor, nn

from src.config.confine import confine
from src.config.schema import register
from src.model.meter import Meter
from src.net.exported import InUnits
from src.run.prediction_table import Table, read
from src.task.regression import Regression
from tests.config.test_groups import composed

MEAN, STD = [100.0, -3.0, 5e5], [10.0, 0.5, 2e3]
NAMES = ["weight (kg)", "waist", "pulse"]


def made(**options: object) -> Regression:
    given = {"outputs": 3, "loss": nn.MSELoss(), "target": NAMES, "metrics": ["mae", "rmse", "r2"]} | options
    return Regression(**given)  # type: ignore[arg-type]


def scored(task: Regression, output_NK: Tensor, target_NK: Tensor) -> tuple[dict[str, float], dict[str, str]]:
    meter = Meter(task)
    for output_BK, target_BK in zip(output_NK.split(7), target_NK.split(7), strict=True):
        meter.add(
            task.loss(task.output(output_BK), task.target(target_BK)), task.output(output_BK), task.label(target_BK)
        )
    return {name: value.item() for name, value in meter.compute().items()}, meter.notes


def numbers() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    target_NK = torch.randn(50, 3, generator=draw) * torch.tensor(STD) + torch.tensor(MEAN)
    return torch.randn(50, 3, generator=draw), target_NK


def test_scores_are_in_the_units_of_the_data_for_each_target_and_on_average() -> None:
    output_NK, target_NK = numbers()
    found, notes = scored(made(target_mean=MEAN, target_std=STD), output_NK, target_NK)
    said_NK = (output_NK.double() * torch.tensor(STD) + torch.tensor(MEAN)).numpy()
    for number, name in enumerate(["weight_kg", "waist", "pulse"]):
        pair = target_NK[:, number].double().numpy(), said_NK[:, number]
        assert found[f"mae_{name}"] == pytest.approx(reference.mean_absolute_error(*pair), rel=1e-4)
        assert found[f"rmse_{name}"] == pytest.approx(reference.root_mean_squared_error(*pair), rel=1e-4)
        assert found[f"r2_{name}"] == pytest.approx(reference.r2_score(*pair), rel=1e-3)
    for name in ("mae", "rmse", "r2"):
        assert found[name] == pytest.approx(
            np.mean([v for k, v in found.items() if k.startswith(f"{name}_")]), rel=1e-5
        )
    assert found["loss"] == pytest.approx(
        nn.functional.mse_loss(output_NK, (target_NK - torch.tensor(MEAN)) / torch.tensor(STD)).item(), rel=1e-4
    )
    assert set(found) == {"loss", *made().score_names()}
    assert not notes


@pytest.mark.parametrize("offset", [0.0, 2e6])
def test_r2_of_targets_far_from_zero_is_that_of_targets_near_it(offset: float) -> None:
    """Sums of squares in float32 lose what varies beside what does not."""
    task = made(outputs=1, target="year", metrics=["r2"], target_mean=[offset], target_std=[4.0])
    target_N = torch.arange(40.0).fmod(9)
    found, _ = scored(task, ((target_N + 0.5) / 4)[:, None], target_N + offset)
    assert found["r2"] == pytest.approx(reference.r2_score(target_N, target_N + 0.5), abs=1e-3)


def test_without_a_scale_a_number_goes_through_untouched() -> None:
    task = made(outputs=1, target="y")
    x_B1 = torch.randn(5, 1)
    assert task.predict(task.output(x_B1)) is not None
    torch.testing.assert_close(task.predict(task.output(x_B1)), x_B1[:, 0], rtol=0, atol=0)
    torch.testing.assert_close(task.target(x_B1[:, 0]), x_B1[:, 0], rtol=0, atol=0)
    assert task.target(x_B1).shape == (5,)  # (5, 1) less (5,) would be 25 numbers


def test_a_target_that_does_not_vary_is_left_out_of_the_mean_and_named() -> None:
    output_NK, target_NK = numbers()
    target_NK[:, 1] = 7.0
    found, notes = scored(made(metrics=["r2", "mae"]), output_NK, target_NK)
    assert "r2_waist" not in found
    assert "mae_waist" in found
    assert found["r2"] == pytest.approx((found["r2_weight_kg"] + found["r2_pulse"]) / 2, rel=1e-5)
    assert "not waist" in notes["r2"]
    assert "mae" not in notes


def test_targets_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets have shape \[4, 2\], and the net gives 3 each"):
        made().target(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"one of each per target"):
        made(target_mean=[1.0], target_std=[1.0])


def test_names_that_would_be_one_score_are_numbered() -> None:
    assert made(target=["a b", "a-b", "c"]).names == ["a_b_0", "a_b_1", "c_2"]
    assert made(target=None).names == ["0", "1", "2"]


def test_a_net_is_served_in_the_units_of_the_data() -> None:
    task, net = made(target_mean=MEAN, target_std=STD), nn.Linear(4, 3)
    x_B = torch.randn(6, 4)
    assert task.units is not None
    torch.testing.assert_close(InUnits(net, *map(torch.tensor, task.units))(x_B), task.predict(net(x_B)))


def test_predictions_of_several_numbers_are_read_back(tmp_path) -> None:
    header = ["index", *(f"target({name})" for name in NAMES), *(f"prediction({name})" for name in NAMES)]
    with Table(tmp_path / "test.csv", header) as table:
        table.add([[0, 1.0, 2.0, 3.0, 1.5, 2.5, 3.5], [4, 5.0, 6.0, 7.0, 8.0, 9.0, math.pi]])
    said = read(tmp_path / "test.csv")
    assert said.numbers == tuple(NAMES)
    np.testing.assert_array_equal(said.target, [[1, 2, 3], [5, 6, 7]])
    np.testing.assert_array_equal(said.prediction, [[1.5, 2.5, 3.5], [8, 9, math.pi]])


def test_there_are_as_many_outputs_as_the_data_name_targets(tmp_path) -> None:
    register()
    one = composed(tmp_path, "data=temperature", "model=mlp")
    two = composed(tmp_path, "data=temperature", "model=mlp", "data.target=[a, b]", "data.target_mean=[1, 2]")
    assert (one.model.outputs, two.model.outputs) == (1, 2)
    assert (one.model.task.target_mean, two.model.task.target_mean) == (None, [1, 2])
    two.run = str(tmp_path)
    confine(two, overrides=[], trains=False)  # a run may record what the YAML says
