"""A merged net computes what the net does, with fewer modules and the very same head."""

import pytest
import torch
from torch import nn

from src.fit.guard import DivergenceError, Guard
from src.model.merged_norms import merged
from src.net.torchvision import TorchvisionNet
from tests import toy


def with_statistics(name):
    """A net in evaluation mode whose BatchNorms have seen something."""
    torch.manual_seed(0)
    net = TorchvisionNet([3, 64, 64], 3, name=name)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    return net.eval()


def norms(net):
    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "googlenet", "vgg11_bn"])
def test_folded_is_the_same_function_without_norms_and_with_the_same_head(name):
    net = with_statistics(name)
    copy = merged(net)
    x_BCHW = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(copy(x_BCHW), net(x_BCHW), rtol=1e-4, atol=1e-5)
    assert norms(copy) == 0 < norms(net)
    for head in net.parts["head"]:
        assert copy.get_submodule(head) is net.get_submodule(head)


def test_a_net_that_cannot_be_followed_stays_as_it_is():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(2, 2)
            self.parts = {"head": ["head"]}

        def forward(self, x_BD):
            return self.head(x_BD if x_BD.sum() > 0 else -x_BD)

    net = Branching()
    assert merged(net) is net


class Convolution(nn.Module):
    """A convolution with BatchNorm, and a head."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.Flatten())
        self.head = nn.Linear(4, 3)
        self.parts = {"head": ["head"]}

    def forward(self, x_BD):
        """Return logits_BK of vectors of four, taken as images of 2 x 2."""
        return self.head(self.backbone(x_BD.view(-1, 1, 2, 2)))


def model(**settings):
    """A model of it, untrained."""
    torch.manual_seed(0)
    net = Convolution()
    net.backbone[1].running_mean.fill_(0.3)
    return toy.multiclass(
        net, outputs=3, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.SGD, metrics=["accuracy"], **settings
    )


def trained(tmp_path, **settings):
    """A model after two epochs, and in which mode the net's own BatchNorm was called."""
    module = model(**settings)
    net, calls = module.net, []
    net.backbone[1].register_forward_hook(lambda *_: calls.append(module.training))
    toy.trainer(tmp_path, max_epochs=2).fit(module, toy.tabular(batch_size=8))
    return module, calls


def test_a_head_learns_the_same_on_the_folded_net_which_is_in_no_checkpoint(tmp_path, monkeypatch):
    module, calls = trained(tmp_path / "merged", trainable="head")
    assert calls
    assert not any(calls)  # validation alone
    monkeypatch.setattr("src.model.frozen.merged", lambda net: net)
    plain, calls = trained(tmp_path / "plain", trainable="head")
    assert any(calls)
    assert module.state_dict().keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{"trainable": "all"}, {"trainable": "head", "unfreeze_epoch": 1}])
def test_what_learns_is_not_folded(tmp_path, settings):
    _, calls = trained(tmp_path, **settings)
    assert any(calls)


def test_the_guard_names_the_layer_of_the_net_and_not_the_first_that_is_left_of_it(tmp_path):
    module = model(trainable="head")
    module.net.backbone[0].weight.fill_(3e38)  # which is finite, and its products are not
    with pytest.raises(DivergenceError, match=r"net\.backbone\.0 \(Conv2d\) is the first layer"):
        toy.trainer(tmp_path, max_epochs=1, callbacks=[Guard()]).fit(module, toy.tabular(batch_size=8))
