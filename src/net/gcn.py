"""Graph convolution: what a node is follows from its own features and its neighbours' (Kipf & Welling 2017).

Z = A' ReLU(A' X W0) W1 with A' = D^-1/2 (A + I) D^-1/2, arXiv:1609.02907, equations 2 and 9; the softmax is in the
loss.

Shapes: B batch, N nodes, D features, H hidden, K outputs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Graph(NamedTuple):
    """A graph whose samples are its nodes: `adjacency` (N, N), symmetric, without self-loops, `features` (N, D)."""

    adjacency: Tensor
    features: Tensor


class GCN(nn.Module):
    """Two graph convolutions over `graph`; a sample is the number of a node.

    Every forward pass goes through the whole graph, however few of its nodes are asked for.
    """

    propagation: Tensor
    features: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        *,
        graph: Graph | None,
        width: int = 16,
        dropout: float = 0.5,
    ):
        super().__init__()
        if graph is None:
            raise ValueError("gcn needs data.graph, and this dataset has none: choose another model, or data=karate")
        # The graph belongs to the dataset: not persistent, so that checkpoints hold weights alone.
        self.register_buffer("propagation", propagation(graph.adjacency), persistent=False)
        self.register_buffer("features", graph.features, persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(graph.features.shape[1], width, bias=False)
        self.output = nn.Linear(width, outputs, bias=False)
        for layer in (self.hidden, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, node_B1: Tensor) -> Tensor:
        """Return output_BK of the nodes asked for, given as whole numbers of any dtype."""
        hidden_NH = F.relu(self.propagation @ self.hidden(self.dropout(self.features)))
        output_NK = self.propagation @ self.output(self.dropout(hidden_NH))
        return output_NK[node_B1.long().squeeze(1)]


def propagation(adjacency_NN: Tensor) -> Tensor:
    """Return D^-1/2 (A + I) D^-1/2, where D counts each node's edges, the one to itself too."""
    looped_NN = adjacency_NN + torch.eye(len(adjacency_NN))
    scale_N = looped_NN.sum(dim=1).rsqrt()
    return scale_N[:, None] * looped_NN * scale_N
