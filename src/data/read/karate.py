"""Zachary's karate club: 34 members, who met whom outside the club, and whom each followed when it split.

From Zachary (1977), "An information flow model for conflict and fission in small groups"; shipped with networkx, which
torch requires.

Shapes: N nodes, D features.
"""

from collections.abc import Sequence

import networkx as nx
import torch
from torch import Tensor

from src.data.dataset import dataset
from src.net.gcn import Graph

CLUBS = ("Mr. Hi", "Officer")  # the instructor's followers, the president's


@dataset()
def karate(labelled: Sequence[int], *, split: str) -> tuple[Tensor, Tensor]:
    """Return node numbers (N, 1) and clubs (N,): for training the nodes `labelled`, for testing all the others."""
    clubs = [CLUBS.index(club) for _, club in nx.karate_club_graph().nodes(data="club")]
    unknown = sorted(set(labelled) - set(range(len(clubs))))
    if unknown:
        raise ValueError(f"data.labelled={list(labelled)}: there is no node {unknown[0]}: 0 to {len(clubs) - 1}")
    nodes = (
        sorted(set(labelled)) if split == "train" else [node for node in range(len(clubs)) if node not in set(labelled)]
    )
    return torch.tensor(nodes, dtype=torch.float32).unsqueeze(1), torch.tensor(clubs)[nodes]


def karate_graph() -> Graph:
    """Return who met whom; the features are one-hot: who one is, and nothing else."""
    graph = nx.karate_club_graph()
    adjacency_NN = torch.tensor(nx.to_numpy_array(graph, weight=None).tolist())
    return Graph(adjacency_NN, features=torch.eye(len(adjacency_NN)))
