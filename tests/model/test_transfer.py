"""Frozen parts stay bit for bit what they were, their statistics too; what learns learns at its own rate."""

import copy

import pytest
import torch
from torch import nn

from src.model.transfer import parameter_groups, trainable_modules
from src.net.torchvision import TorchvisionNet
from src.net.xai_vgg import XaiVGG
from tests import toy


class Net(nn.Module):
    """Two stages with BatchNorm and dropout, and a head."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
        self.last = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
        self.head = nn.Linear(8, 3)
        self.parts = {"head": ["head"], "last_block": ["last.0"], "last_stage": ["last"]}

    def forward(self, x_BD):
        """Return logits_BK."""
        return self.head(self.last(self.first(x_BD)))


def model(net=None, **settings):
    torch.manual_seed(0)
    options = {"outputs": 3, "loss": nn.CrossEntropyLoss(), "optimizer": torch.optim.SGD, "metrics": ["accuracy"]}
    return toy.multiclass(net or Net(), **options | settings)


def changed(module, before):
    """The names of parameters and buffers that are not what they were."""
    now = module.net.state_dict()
    return {name.rpartition(".")[0] for name, value in before.items() if not torch.equal(value, now[name])}


LEARNS = {
    "all": {"first.0", "first.1", "last.0", "last.1", "head"},
    "last_stage": {"last.0", "last.1", "head"},
    "last_block": {"last.0", "head"},
    "head": {"head"},
}


@pytest.mark.parametrize("part", LEARNS)
def test_only_the_chosen_part_changes_batchnorm_statistics_included(tmp_path, part):
    module = model(trainable=part)
    before = copy.deepcopy(module.net.state_dict())
    toy.trainer(tmp_path, max_epochs=2).fit(module, toy.tabular(batch_size=8))
    assert changed(module, before) == LEARNS[part]
    in_optimizer = {id(p) for group in module.trainer.optimizers[0].param_groups for p in group["params"]}
    assert in_optimizer == {id(p) for p in module.net.parameters() if p.requires_grad}


def test_dropout_of_a_frozen_part_is_off_after_validation_too(tmp_path):
    module, seen = model(trainable="last_stage"), []
    look = toy.Each(lambda trainer, batch: seen.append((module.net.first[2].training, module.net.last[1].training)))
    toy.trainer(tmp_path, max_epochs=2, callbacks=[look]).fit(module, toy.tabular(batch_size=8))
    assert set(seen) == {(False, True)}


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_the_net_is_frozen_until_its_epoch_and_learns_from_then_on(tmp_path, epoch):
    module, states = model(trainable="head", unfreeze_epoch=epoch), []
    look = toy.Each(
        lambda trainer, batch: states.append((trainer.current_epoch, copy.deepcopy(module.net.state_dict())))
    )
    start = copy.deepcopy(module.net.state_dict())
    toy.trainer(tmp_path, max_epochs=3, callbacks=[look]).fit(module, toy.tabular(batch_size=8))
    for at, state in states:
        frozen = torch.equal(state["first.0.weight"], start["first.0.weight"])
        assert frozen == (at < epoch)
        assert torch.equal(state["first.1.running_mean"], start["first.1.running_mean"]) == (at < epoch)


def test_the_backbone_learns_by_its_own_rate_and_a_schedule_scales_both():
    module = model(backbone_lr=1e-4, optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1))
    groups = module.optimizer(parameter_groups(module.net, backbone_lr=1e-4, spare_norms_and_biases=False)).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert {rates[id(p)] for p in module.net.head.parameters()} == {0.1}
    assert {rates[id(p)] for name, p in module.net.named_parameters() if not name.startswith("head")} == {1e-4}


def test_norms_and_biases_are_spared_from_weight_decay_and_nothing_else():
    net = Net()
    groups = torch.optim.AdamW(
        parameter_groups(net, backbone_lr=None, spare_norms_and_biases=True), weight_decay=0.1
    ).param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    for name, parameter in net.named_parameters():
        assert decays[id(parameter)] == (0.1 if name in ("first.0.weight", "last.0.weight", "head.weight") else 0.0)


@pytest.mark.parametrize(
    ("part", "message"),
    [("heads", r"model\.trainable=heads: choose from all, last_stage"), ("last_stage", "choose all, head")],
)
def test_a_part_that_a_net_does_not_declare_is_refused_with_those_it_does(part, message):
    net = nn.Sequential(nn.Linear(4, 3))
    net.parts = {"head": ["0"]}
    with pytest.raises(ValueError, match=message):
        model(net, trainable=part)


def test_a_net_that_declares_nothing_refuses():
    with pytest.raises(ValueError, match=r"Sequential does not say which of its modules these are: choose all$"):
        model(nn.Sequential(nn.Linear(4, 3)), trainable="head")
    with pytest.raises(ValueError, match="does not say what its head is"):
        parameter_groups(nn.Linear(4, 3), backbone_lr=0.1, spare_norms_and_biases=False)


@pytest.mark.parametrize(
    ("name", "head", "block", "stage"),
    [
        ("resnet18", "fc", "layer4.1", "layer4"),
        ("resnet50", "fc", "layer4.2", "layer4"),
        ("vgg16", "classifier.6", "features.28", "features.24"),
        ("googlenet", "fc", "inception5b", "inception5a"),
    ],
)
def test_torchvisions_families_know_their_last_stage(name, head, block, stage):
    with torch.device("meta"):
        net = TorchvisionNet((3, 64, 64), 2, name=name)
    assert net.parts["head"] == [f"net.{head}"]
    assert net.parts["last_block"][0] == f"net.{block}"
    assert net.parts["last_stage"][0] == f"net.{stage}"
    assert [type(m) for m in trainable_modules(net, "head")] == [nn.Linear]


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "densenet121", "squeezenet1_0", "vit_b_16", "swin_t"])
def test_the_head_of_any_torchvision_net_is_what_gives_its_outputs(name):
    with torch.device("meta"):
        net = TorchvisionNet((3, 224, 224), 7, name=name)
    (head,) = trainable_modules(net, "head")
    assert 7 in (getattr(head, "out_features", 0), getattr(head, "out_channels", 0))


def test_the_last_stage_of_xai_vgg_is_three_convolutions_and_its_last_block_one():
    net = XaiVGG((3, 34, 34), 2)
    counts = [
        sum(isinstance(module, nn.Conv2d) for part in trainable_modules(net, name) for module in part.modules())
        for name in ("last_stage", "last_block", "head")
    ]
    assert counts == [3, 1, 0]


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"label_smoothing": 0.1}])
def test_mixed_and_smoothed_targets_train_and_are_scored_by_their_larger_part(tmp_path, settings):
    smoothing = settings.pop("label_smoothing", 0.0)
    module = model(loss=nn.CrossEntropyLoss(label_smoothing=smoothing))
    toy.trainer(tmp_path, max_epochs=3).fit(module, toy.tabular(batch_size=8, **settings))
    metrics = module.trainer.callback_metrics
    assert 0 <= metrics["train/accuracy"] <= 1
    assert metrics["val/loss"].isfinite()
