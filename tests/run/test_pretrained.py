"""A net starts from a run, a checkpoint or a file of weights: all of them, but a head for other classes."""

import json
import os
import shutil

import pytest
import torch
from torch import nn

from src.net.fashion_cnn import FashionCNN
from src.net.lenet5 import LeNet5
from src.net.torchvision import TorchvisionNet
from src.run.checkpoint_io import CheckpointIO, load
from src.run.pretrained import start_from


@pytest.fixture
def cnn_run(train):
    """A run of lenet5 on three of the digits."""
    ended = train("model=lenet5", "data.classes=['0','1','2']", "data.image_size=28", "trainer.max_epochs=1")
    assert ended.code == 0, ended.err
    return ended.run


def test_a_net_for_other_classes_takes_all_but_what_depends_on_them(cnn_run, train):
    run = cnn_run
    net = LeNet5((1, 28, 28), 10)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    start_from(net, str(run))
    kept = load(run / "checkpoints" / "best.ckpt")["state_dict"]
    anew = {name for name, value in net.state_dict().items() if not torch.equal(value, kept.get(f"net.{name}", value))}
    last = list(before)[-2:]  # the output layer's weight and bias
    for name, value in net.state_dict().items():
        expected = before[name] if name in last else kept[f"net.{name}"]
        assert torch.equal(value, expected), name
    assert not anew - set(last)


def test_a_run_a_checkpoint_and_a_plain_file_of_weights_are_the_same(cnn_run, tmp_path):
    checkpoint = cnn_run / "checkpoints" / "best.ckpt"
    state = {name.removeprefix("net."): value for name, value in load(checkpoint)["state_dict"].items()}
    torch.save(state, tmp_path / "weights.pth")
    nets = [LeNet5((1, 28, 28), 3) for _ in range(3)]
    for net, weights in zip(nets, (cnn_run, checkpoint, tmp_path / "weights.pth"), strict=True):
        start_from(net, str(weights))
    for other in nets[1:]:
        assert all(torch.equal(a, b) for a, b in zip(nets[0].parameters(), other.parameters(), strict=True))


def test_training_starts_from_the_weights_and_a_frozen_part_keeps_them(cnn_run, train):
    ended = train(
        "model=lenet5", "data.image_size=28", f"model.weights={cnn_run.resolve()}", "model.trainable=head",
        "trainer.max_epochs=1",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    first, then = (load(run / "checkpoints" / "best.ckpt")["state_dict"] for run in (cnn_run, ended.run))
    features = [name for name in first if "features" in name]
    assert features
    assert all(torch.equal(first[name], then[name]) for name in features)
    assert "tensors loaded" in (ended.run / "train.log").read_text()
    parameters = json.loads((ended.run / "run.json").read_text())["parameters"]
    head = [value.numel() for name, value in then.items() if name.startswith("net.head")]
    assert parameters["trainable"] == sum(head) < parameters["total"]


def test_a_resumed_run_does_not_start_from_them_again(cnn_run, train):
    overrides = ("model=lenet5", "data.image_size=28", f"model.weights={cnn_run.resolve()}", "trainer.max_epochs=1")
    run = train(*overrides).run
    shutil.rmtree(cnn_run)
    ended = train(f"run={run}", "trainer.max_epochs=2")
    assert ended.code == 0, ended.err


def test_weights_of_another_net_are_refused_with_the_tensor_that_tells(cnn_run):
    with pytest.raises(ValueError, match=r"model\.weights=.* is of another net: features\.0\.weight is"):
        start_from(FashionCNN((1, 28, 28), 3), str(cnn_run))


def test_weights_for_other_channels_are_refused(cnn_run):
    with pytest.raises(ValueError, match=r"features\.0\.weight is \[6, 1, 5, 5\] there and \[6, 3, 5, 5\] here"):
        start_from(LeNet5((3, 28, 28), 3), str(cnn_run))


def test_names_that_nobody_publishes_list_those_that_are():
    with torch.device("meta"):
        net = TorchvisionNet((3, 64, 64), 2, name="resnet18")
    with pytest.raises(ValueError, match=r"model\.weights=IMAGENET: torchvision publishes IMAGENET1K_V1 for resnet18"):
        start_from(net, "IMAGENET")
    with pytest.raises(ValueError, match="Linear has no published weights: give a run folder"):
        start_from(nn.Linear(2, 2), "IMAGENET1K_V1")


def test_weights_that_cannot_be_fetched_say_where_the_file_belongs_and_are_taken_from_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    net = TorchvisionNet((3, 64, 64), 2, name="resnet18")
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    with pytest.raises(FileNotFoundError, match=rf"put https://download\.pytorch\.org/\S+ at {file}"):
        start_from(net, "IMAGENET1K_V1")
    published = TorchvisionNet((3, 224, 224), 1000, name="resnet18").net.state_dict()
    torch.save(published, file)  # not what torchvision trained: its hash is in the name and checked on download only
    start_from(net, "IMAGENET1K_V1")
    assert torch.equal(net.net.conv1.weight, published["conv1.weight"])
    assert net.net.fc.weight.shape == (2, 512)


def test_a_pickle_that_would_run_code_does_not(tmp_path):
    class Touches:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"state_dict": Touches()}, tmp_path / "hostile.ckpt")
    with pytest.raises(ValueError, match="does not load as plain data"):
        start_from(nn.Linear(2, 2), str(tmp_path / "hostile.ckpt"))
    assert not (tmp_path / "ran").exists()


def test_a_damaged_checkpoint_is_not_started_from(cnn_run):
    path = cnn_run / "checkpoints" / "best.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        start_from(LeNet5((1, 28, 28), 3), str(cnn_run))


def test_weights_written_by_the_projects_own_writer_load(tmp_path):
    net = nn.Linear(2, 2)
    CheckpointIO().save_checkpoint({"state_dict": net.state_dict()}, tmp_path / "x.ckpt")
    other = nn.Linear(2, 2)
    start_from(other, str(tmp_path / "x.ckpt"))
    assert torch.equal(net.weight, other.weight)
