"""Nets of texts: padding is not read, the order of words is, and each is what torch makes of one text by itself."""

import pytest
import torch
from torch import Tensor, nn

from src.net.rnn import CELLS, RNN
from src.net.transformer import Transformer

NETS = {
    **{f"{cell} both ways": lambda cell=cell: RNN([9], 3, vocabulary=20, cell=cell, layers=2) for cell in CELLS},
    "one way": lambda: RNN([9], 3, vocabulary=20, bidirectional=False),
    "transformer": lambda: Transformer([9], 3, vocabulary=20, embedding=8, heads=2),
}


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETS[name]().eval()


def text(*numbers: int, length: int = 9) -> Tensor:
    return torch.tensor([[*numbers, *[0] * (length - len(numbers))]])


@pytest.mark.parametrize("name", NETS)
def test_padding_changes_nothing(name: str) -> None:
    net, other = made(name), text(*range(2, 11))
    alone = net(text(5, 7, 3, length=3))
    torch.testing.assert_close(net(text(5, 7, 3)), alone)
    torch.testing.assert_close(net(torch.cat([text(5, 7, 3), other]))[:1], alone)
    torch.testing.assert_close(net(text(5, 7, 3).float()), alone)


@pytest.mark.parametrize("name", NETS)
def test_the_order_of_tokens_counts(name: str) -> None:
    net = made(name)
    assert not torch.allclose(net(text(5, 7, 3)), net(text(3, 7, 5)), atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_a_text_without_tokens_has_a_finite_output_and_gradient(name: str) -> None:
    net = made(name).train()
    output_BK = net(torch.cat([text(), text(4, 4)]))
    output_BK.sum().backward()
    assert output_BK.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_an_rnn_judges_by_the_state_behind_the_last_token_of_each_direction() -> None:
    net = made("gru both ways")
    assert isinstance(net, RNN)
    embedded_1LE = net.embedding(text(5, 7, 3, length=3))
    state_1LH = net.recurrent(embedded_1LE)[0]
    width = state_1LH.shape[2] // 2
    last_1H = torch.cat([state_1LH[:, -1, :width], state_1LH[:, 0, width:]], dim=1)
    torch.testing.assert_close(net(text(5, 7, 3)), net.output(last_1H))


@pytest.mark.parametrize("name", NETS)
def test_a_net_can_be_called_without_memory(name: str) -> None:
    with torch.device("meta"):
        assert NETS[name]()(torch.zeros(2, 9)).shape == (2, 3)


def test_what_cannot_be_a_net_names_its_cure() -> None:
    with pytest.raises(ValueError, match=r"model\.net\.cell=gpu: choose from rnn, lstm, gru"):
        RNN([9], 3, vocabulary=20, cell="gpu")
    with pytest.raises(ValueError, match=r"model\.net\.heads=3: .*set a divisor"):
        Transformer([9], 3, vocabulary=20, embedding=8, heads=3)
    with pytest.raises(ValueError, match=r"needs data\.vocabulary.*data=text"):
        RNN([9], 3, vocabulary=None)
