"""ResNet-9 is the published one, and its recipe for CIFAR-10 trains."""

from pathlib import Path

import pytest
import torch
from torch import nn

from src.net.resnet9 import ResNet9
from src.run.record import read
from tests import toy
from tests.conftest import Command


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in ResNet9((3, 32, 32), 10).parameters()) == 6_573_120


def test_residual_layers_that_give_nothing_leave_a_chain_of_convolutions() -> None:
    net, x_BCHW = ResNet9((3, 8, 8), 10).eval(), torch.randn(2, 3, 8, 8)
    chain = nn.Sequential(net.features[0], *net.features[1][:2], net.features[2], *net.features[3][:2], net.features[4])
    for stage in (1, 3):
        nn.init.zeros_(net.features[stage][2].layers[1][1].weight)  # the last BatchNorm's gain
    with torch.no_grad():
        torch.testing.assert_close(net(x_BCHW), net.head(chain(x_BCHW)) / 8)


def test_an_image_below_eight_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        ResNet9((3, 7, 7), 10)


def test_the_recipe_for_cifar10_trains_a_few_batches(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.cifar10_files(tmp_path, train=50, test=10)
    toy.accept_cifar10(monkeypatch, tmp_path)
    few = ("data.batch_size=16", "trainer.max_epochs=1", f"data_dir={tmp_path}", "callback=[guard]", "logger=[]")
    ended = train("experiment=cifar10_fast", *few)
    assert ended.code == 0, ended.err
    record = read(ended.run)
    assert record["steps"] == 3
    assert "test/accuracy" in record["metrics"]
