"""The net for tables: it starts as a linear layer, and takes a batch of one row."""

import torch

from src.net.tabular import Tabular


def test_it_starts_as_its_linear_layer_and_leaves_it() -> None:
    torch.manual_seed(0)
    net, x_BD = Tabular((5,), 3).eval(), torch.randn(8, 5)
    torch.testing.assert_close(net(x_BD), net.linear(x_BD))
    optimizer = torch.optim.SGD(
        [part for name, part in net.named_parameters() if not name.startswith("linear")], lr=0.1
    )
    for _ in range(2):  # the first step moves the zeros of the last layer alone
        optimizer.zero_grad()
        net(x_BD).square().sum().backward()
        optimizer.step()
    assert (net(x_BD) - net.linear(x_BD)).abs().max() > 1e-3


def test_a_row_is_predicted_as_in_a_batch_also_in_training() -> None:
    net, x_BD = Tabular((4,), 2, dropout=0.0).train(), torch.randn(6, 4)
    torch.nn.init.normal_(net.head[2].weight)
    torch.testing.assert_close(torch.cat([net(row_1D) for row_1D in x_BD.split(1)]), net(x_BD))
