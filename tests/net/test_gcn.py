"""The graph convolution against the paper's formula, and what a renaming of the nodes does to it.

Shapes: N nodes, D features, K outputs.
"""

import numpy as np
import pytest
import torch

from src.data.read.karate import karate_graph
from src.net.gcn import GCN, Graph, propagation


def random_graph(nodes: int = 9, features: int = 5) -> Graph:
    random = torch.Generator().manual_seed(0)
    upper_NN = torch.rand(nodes, nodes, generator=random).round().triu(diagonal=1)
    return Graph(upper_NN + upper_NN.T, torch.randn(nodes, features, generator=random))


def net(graph: Graph, **settings: float) -> GCN:
    torch.manual_seed(0)
    return GCN([1], 3, graph=graph, **settings).eval()  # type: ignore[arg-type]


def nodes(graph: Graph) -> torch.Tensor:
    return torch.arange(len(graph.adjacency)).float().unsqueeze(1)


def test_the_output_is_the_papers_formula_in_numpy() -> None:
    graph = random_graph()
    gcn = net(graph)
    a_NN = graph.adjacency.double().numpy() + np.eye(9)
    root_NN = np.diag(1 / np.sqrt(a_NN.sum(axis=0)))
    weights = [layer.weight.detach().double().numpy().T for layer in (gcn.hidden, gcn.output)]
    hidden = np.maximum(root_NN @ a_NN @ root_NN @ graph.features.double().numpy() @ weights[0], 0)
    expected = root_NN @ a_NN @ root_NN @ hidden @ weights[1]
    assert np.allclose(gcn(nodes(graph)).detach().numpy(), expected, atol=1e-6)


def test_one_edge_between_two_nodes_halves_both() -> None:
    assert torch.allclose(propagation(torch.tensor([[0.0, 1.0], [1.0, 0.0]])), torch.full((2, 2), 0.5))


def test_a_node_without_edges_keeps_its_own_features() -> None:
    graph = Graph(torch.zeros(4, 4), torch.randn(4, 5))
    gcn = net(graph)
    alone_NK = gcn.output(gcn.hidden(graph.features).relu())
    torch.testing.assert_close(gcn(nodes(graph)), alone_NK)


def test_nodes_in_another_order_have_the_same_outputs_in_that_order() -> None:
    graph = random_graph()
    order_N = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    permuted = Graph(graph.adjacency[order_N][:, order_N], graph.features[order_N])
    torch.testing.assert_close(net(permuted)(nodes(graph)), net(graph)(nodes(graph))[order_N])


def test_a_batch_asks_for_its_nodes_and_has_what_the_whole_graph_says_of_them() -> None:
    graph = random_graph()
    gcn = net(graph)
    assert torch.equal(gcn(torch.tensor([[7.0], [2.0], [7.0]])), gcn(nodes(graph))[[7, 2, 7]])


def test_two_steps_away_is_seen_and_three_are_not() -> None:
    path_NN = torch.diag(torch.ones(3), 1)
    graph = Graph(path_NN + path_NN.T, torch.ones(4, 5))  # 0 - 1 - 2 - 3
    before_K = net(graph)(torch.tensor([[0.0]]))
    for node, is_seen in ((3, False), (2, True)):
        features_ND = graph.features.clone()
        features_ND[node] = 9
        assert torch.equal(net(Graph(graph.adjacency, features_ND))(torch.tensor([[0.0]])), before_K) is not is_seen


def test_dropout_acts_while_training_alone() -> None:
    graph = random_graph()
    gcn = net(graph, dropout=0.9)
    assert torch.equal(gcn(nodes(graph)), gcn(nodes(graph)))
    gcn.train()
    assert not torch.equal(gcn(nodes(graph)), gcn(nodes(graph)))


def test_the_weights_are_two_matrices_and_the_graph_is_in_no_checkpoint() -> None:
    gcn = GCN([1], 2, graph=karate_graph())
    assert sum(p.numel() for p in gcn.parameters()) == 34 * 16 + 16 * 2
    assert set(gcn.state_dict()) == {"hidden.weight", "output.weight"}


def test_without_a_graph_the_message_names_data_that_have_one() -> None:
    with pytest.raises(ValueError, match=r"choose another model, or data=karate"):
        GCN([1], 2, graph=None)
