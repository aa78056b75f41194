"""The karate club as published, and that two labels are all that training sees."""

import pytest
import torch

from src.data.read.karate import karate, karate_graph
from tests.conftest import Command


def test_the_club_has_34_members_and_78_friendships() -> None:
    adjacency_NN, features_ND = karate_graph()
    assert torch.equal(adjacency_NN, adjacency_NN.T)
    assert adjacency_NN.sum() == 2 * 78
    assert adjacency_NN.trace() == 0
    assert set(adjacency_NN.unique().tolist()) == {0, 1}  # networkx counts encounters
    degrees_N = adjacency_NN.sum(dim=1)
    assert (degrees_N[0], degrees_N[33]) == (16, 17)  # the instructor and the president know the most
    assert torch.equal(features_ND, torch.eye(34))


def test_training_sees_the_two_leaders_and_the_test_set_everyone_else() -> None:
    (known, club), (others, clubs) = (karate.read([0, 33], split=split) for split in ("train", "test"))
    assert (known.flatten().tolist(), club.tolist()) == ([0, 33], [0, 1])
    assert others.flatten().tolist() == list(range(1, 33))
    assert clubs.bincount().tolist() == [16, 16]


def test_a_member_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"data\.labelled=\[0, 34\]: there is no node 34: 0 to 33"):
        karate.read([0, 34], split="train")


@pytest.mark.parametrize("net", ["mlp", "lenet5"])
def test_another_net_is_told_that_the_graph_needs_gcn(net: str, train: Command) -> None:
    assert "model=gcn" in train(f"model={net}", "data=karate", "monitor=train/loss").error


@pytest.mark.parametrize("data", ["digits", "temperature"])
def test_gcn_on_data_without_a_graph_names_data_with_one(data: str, train: Command) -> None:
    assert "data=karate" in train("model=gcn", f"data={data}").error


@pytest.mark.slow
def test_two_labels_are_enough_for_nine_of_ten_others_over_ten_seeds(train: Command) -> None:
    scores = []
    for seed in range(10):
        ended = train("experiment=karate_gcn", f"seed={seed}", "logger=[]")
        (score,) = [float(line.split()[1]) for line in ended.out.splitlines() if line.startswith("test/accuracy")]
        scores.append(score)
    assert sum(scores) / 10 >= 0.90
