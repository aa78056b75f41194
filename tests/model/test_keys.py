"""The state of a wrapped net is that of the plain one, both ways."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from src.model.keys import keep_plain_keys
from src.run.checkpoint_io import CheckpointIO, load_weights


class Inner(nn.Module):
    """A net one of whose own layers is called like a wrapper's attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.module = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)


class Model(nn.Module):
    """A model around a net, as a LightningModule is."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.heads = nn.ModuleList([net])
        keep_plain_keys(self)


def compiled(net: nn.Module) -> nn.Module:
    wrapped = torch.compile(net, backend="eager")
    assert isinstance(wrapped, nn.Module)
    return wrapped


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compiled": compiled,
    "parallel": nn.DataParallel,
    "compiled, then parallel": lambda net: nn.DataParallel(compiled(net)),
    "parallel, then compiled": lambda net: compiled(nn.DataParallel(net)),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_net_is_saved_like_a_plain_one_and_each_loads_the_other(name: str, tmp_path: Path) -> None:
    plain, wrapped = Model(Inner()), Model(WRAPPERS[name](Inner()))
    assert wrapped.state_dict().keys() == plain.state_dict().keys()
    for number, (one, other) in enumerate([(plain, wrapped), (wrapped, plain)]):
        path = tmp_path / f"{number}.ckpt"
        CheckpointIO().save_checkpoint({"state_dict": one.state_dict()}, path)
        load_weights(other, path)
        pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
        assert all(key == name and torch.equal(a, b) for (key, a), (name, b) in pairs)
        with torch.no_grad():
            one.net.get_parameter(next(n for n, _ in one.net.named_parameters())).add_(1)


def test_a_missing_weight_is_still_missed() -> None:
    state = Model(Inner()).state_dict()
    del state["net.module.weight"]
    with pytest.raises(RuntimeError, match="Missing key"):
        Model(compiled(Inner())).load_state_dict(state)
