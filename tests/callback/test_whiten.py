"""Whitening sees the first training images as the net does, once, and never undoes what a run has learned."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from src.callback.whiten import Whiten
from src.data.dataset import dataset
from src.data.module import Data
from src.model.supervised import Supervised
from src.net.airbench import Airbench
from tests import toy
from tests.conftest import Command


def data(**settings: Any) -> Data:
    """Toy images of 10 classes, normalised."""
    pixels, labels = toy.images(40, (1, 12, 12))

    def read(*, split: str) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(pixels), torch.from_numpy(labels)

    classes = [str(number) for number in range(10)]
    return dataset()(read)(shape=[1, 12, 12], classes=classes, task="multiclass", mean=[0.4], std=[0.2], **settings)


def model(net: nn.Module, *, lr: float = 0.01, **settings: Any) -> Supervised:
    sgd = torch.optim.SGD
    return toy.multiclass(
        net, outputs=10, loss=nn.CrossEntropyLoss(), optimizer=lambda weights: sgd(weights, lr=lr), **settings
    )


@pytest.mark.parametrize(("samples", "positions"), [(12, range(0, 36, 3)), (20, range(36)), (5000, range(36))])
def test_the_net_sees_training_images_evenly_chosen_normalised_and_not_augmented(
    tmp_path: Path, samples: int, positions: range
) -> None:
    module, net = data(crop_padding=2, horizontal_flip=True, batch_size=6), Airbench((1, 12, 12), 10)
    toy.trainer(tmp_path, callbacks=[Whiten(samples=samples)]).fit(model(net), module)
    expected = Airbench((1, 12, 12), 10)
    expected.whiten(module.normalize(module.samples("train", positions)))
    assert torch.equal(net.whitening.weight, expected.whitening.weight)
    assert not net.whitening.weight.requires_grad


def test_a_test_whitens_nothing(tmp_path: Path) -> None:
    net = Airbench((1, 12, 12), 10)
    before = net.whitening.weight.clone()
    toy.trainer(tmp_path, callbacks=[Whiten()]).test(model(net), data(), verbose=False)
    assert torch.equal(net.whitening.weight, before)


def test_a_resumed_run_goes_on_with_its_own_layer(tmp_path: Path) -> None:
    first = toy.trainer(tmp_path, callbacks=[Whiten()])
    first.fit(model(Airbench((1, 12, 12), 10)), data())
    first.save_checkpoint(path := tmp_path / "one.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["net.whitening.weight"].zero_()
    torch.save(checkpoint, path)
    net = Airbench((1, 12, 12), 10)
    toy.trainer(tmp_path, callbacks=[Whiten()], max_epochs=2).fit(model(net), data(), ckpt_path=path)
    assert not net.whitening.weight.any()


def test_a_net_that_starts_from_weights_keeps_them(tmp_path: Path) -> None:
    net = Airbench((1, 12, 12), 10)
    before, features = net.whitening.weight.clone(), net.features[1].weight.clone()
    toy.trainer(tmp_path, callbacks=[Whiten()]).fit(model(net, weights="outputs/some/run"), data())
    assert not torch.equal(net.features[1].weight, features)
    assert torch.equal(net.whitening.weight, before)


def test_a_net_that_cannot_be_whitened_is_refused_in_a_line(train: Command) -> None:
    ended = train("model=softmax_regression", "+callback=whiten")
    assert ended.error.endswith("has no whiten(): choose model=airbench, or remove it by ~callback.whiten")


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="samples=0"):
        Whiten(samples=0)
