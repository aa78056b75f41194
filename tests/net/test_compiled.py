"""What is compiled is known, and taken back where torch's private name for it is."""

import logging

import pytest
import torch
from torch import nn

from src.net import compiled
from src.net.compiled import is_compiled, uncompile


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU()))


def in_place(made: nn.Module) -> nn.Module:
    made[1].compile()  # type: ignore[index, operator]
    return made


@pytest.mark.parametrize("make", [torch.compile, lambda made: nn.Sequential(torch.compile(made)), in_place])
def test_a_compiled_part_is_found_however_it_was_compiled(make) -> None:
    assert not is_compiled(net())
    assert is_compiled(make(net()))


def test_what_was_compiled_in_place_is_taken_back() -> None:
    made = net()
    made.compile(backend="eager")
    uncompile(made)
    assert not is_compiled(made)


def test_under_another_torch_a_compiled_net_stays_one_in_one_line_and_works(monkeypatch, caplog) -> None:
    monkeypatch.setattr(compiled, "VERIFIED", ("1.0.",))
    made, x_B3 = net(), torch.ones(2, 3)
    with caplog.at_level(logging.WARNING):
        uncompile(made)
        assert not caplog.text
        made.compile(backend="eager")
        uncompile(made)
    assert "stays compiled" in caplog.text
    made.compile(backend="eager")  # as the next fit does
    torch.testing.assert_close(made(x_B3), made.forward(x_B3))
