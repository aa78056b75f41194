"""Airbench is the published net, whitens, averages its six views, and its recipe for CIFAR-10 trains."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from src.net.airbench import Airbench, FastBias
from src.run.record import read
from tests import toy
from tests.conftest import Command


def images(samples: int = 200, channels: int = 3, size: int = 12) -> Tensor:
    """Smooth ones, whose neighbouring pixels are alike."""
    torch.manual_seed(0)
    return F.avg_pool2d(torch.randn(samples, channels, size + 4, size + 4), 5, stride=1) * 5


def test_it_has_the_published_number_of_parameters() -> None:
    blocks = sum(
        9 * (inputs * width + width * width) + 2 * width for inputs, width in ((24, 64), (64, 256), (256, 256))
    )
    whitening, head = 24 * 3 * 2 * 2 + 24, 256 * 10
    assert sum(parameter.numel() for parameter in Airbench((3, 32, 32), 10).parameters()) == whitening + blocks + head


@pytest.mark.parametrize("channels", [1, 3])
def test_what_the_whitened_layer_gives_for_its_images_has_unit_covariance(channels: int) -> None:
    x_NCHW, net = images(channels=channels), Airbench((channels, 12, 12), 10)
    net.whiten(x_NCHW, eps=0.0)
    layer, D = net.whitening, channels * 4
    out_ND = F.conv2d(x_NCHW, layer.weight).movedim(1, 3).flatten(0, 2)
    torch.testing.assert_close(out_ND[:, :D], -out_ND[:, D:])
    covariance_DD = out_ND[:, :D].T @ out_ND[:, :D] / len(out_ND)
    torch.testing.assert_close(covariance_DD, torch.eye(D), atol=2e-3, rtol=0)


def test_many_images_whiten_as_if_they_were_looked_at_at_once() -> None:
    x_NCHW, net = images(300), Airbench((3, 12, 12), 10)
    net.whiten(x_NCHW)
    patches_ND = x_NCHW.double().unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    eigenvalue_D = torch.linalg.eigvalsh(patches_ND.T @ patches_ND / len(patches_ND)).flip(0)
    norms_D = net.whitening.weight[:12].double().flatten(1).square().sum(dim=1)
    torch.testing.assert_close(norms_D, 1 / (eigenvalue_D + 5e-4), rtol=1e-5, atol=0)


def test_where_the_head_alone_is_trained_an_image_is_looked_at_once() -> None:
    net, calls = Airbench((3, 12, 12), 10), []
    net.features.register_forward_hook(lambda *call: calls.append(call))
    for mode, passes in ((False, 6), (True, 1)):
        net.eval()
        net.head.train(mode)
        calls.clear()
        net(images(2))
        assert len(calls) == passes


def test_batch_norm_over_processes_keeps_the_shifts() -> None:
    names = set(Airbench((3, 12, 12), 10).state_dict())
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(Airbench((3, 12, 12), 10))
    assert set(converted.state_dict()) == names
    assert sum(isinstance(layer, torch.nn.SyncBatchNorm) for layer in converted.modules()) == 6


@pytest.mark.parametrize("momentum", [0.0, 0.85])
def test_a_shift_learns_as_a_bias_at_64_times_the_rate_and_decays_as_the_others(momentum: float) -> None:
    rate, decay, x_BCHW = 0.01, 0.1, torch.randn(8, 3, 4, 4)
    norm, bias_C = FastBias(3), torch.zeros(3, requires_grad=True)
    mine = torch.optim.SGD(norm.parameters(), lr=rate, momentum=momentum, nesterov=momentum > 0, weight_decay=decay)
    published = torch.optim.SGD(
        [bias_C], lr=64 * rate, momentum=momentum, nesterov=momentum > 0, weight_decay=decay / 64
    )
    for _ in range(5):
        expected_BCHW = F.batch_norm(x_BCHW, None, None, bias=bias_C, weight=torch.ones(3), training=True, eps=1e-12)
        got_BCHW = norm(x_BCHW)
        torch.testing.assert_close(got_BCHW, expected_BCHW)
        for optimizer, out_BCHW in ((mine, got_BCHW), (published, expected_BCHW)):
            optimizer.zero_grad()
            (out_BCHW - 1).square().mean().backward()
            optimizer.step()
    assert bias_C.abs().min() > 0.1


def test_in_evaluation_it_gives_the_mean_over_six_views() -> None:
    net, x_BCHW = Airbench((3, 12, 12), 10), images(4)
    net(x_BCHW)  # statistics
    once = Airbench((3, 12, 12), 10, tta=False)
    once.load_state_dict(net.state_dict())
    net.eval(), once.eval()
    up, down = (F.pad(x_BCHW, [1] * 4, mode="reflect")[:, :, k : k + 12, k : k + 12] for k in (0, 2))
    weighted = {0.5: (x_BCHW,), 0.25: (up, down)}
    with torch.no_grad():
        expected_BK = sum(
            weight * (once(view) + once(view.flip(3))) / 2 for weight, views in weighted.items() for view in views
        )
        torch.testing.assert_close(net(x_BCHW), expected_BK)
        assert not torch.allclose(net(x_BCHW), once(x_BCHW))


def test_a_block_begins_by_handing_its_inputs_on() -> None:
    x_BCHW, layer = torch.randn(2, 64, 5, 5), Airbench((3, 32, 32), 10).features[8]
    torch.testing.assert_close(layer(x_BCHW)[:, :64], x_BCHW)
    assert layer.out_channels == 256


def test_an_image_below_nine_pixels_is_refused() -> None:
    Airbench((3, 9, 9), 10)
    with pytest.raises(ValueError, match="too small"):
        Airbench((3, 8, 8), 10)


def test_the_recipe_for_cifar10_trains_a_few_batches(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.cifar10_files(tmp_path, train=50, test=10)
    toy.accept_cifar10(monkeypatch, tmp_path)
    few = ("data.batch_size=16", "trainer.max_epochs=1", f"data_dir={tmp_path}")
    ended = train("experiment=cifar10_fast", *few, "callback=[guard,whiten,lookahead]", "logger=[]")
    assert ended.code == 0, ended.err
    record = read(ended.run)
    assert record["steps"] == 4
    assert "test/accuracy" in record["metrics"]
