"""The cut between train and val: complete, disjoint, a function of its own seed."""

import pytest
import torch

from src.data.split import cut
from tests import toy


@pytest.mark.parametrize("val_fraction", [0.0, 0.1, 1 / 3, 0.5, 0.99])
@pytest.mark.parametrize("samples", [1, 11, 1797])
def test_train_and_val_are_disjoint_and_together_everything(samples, val_fraction):
    train_N, val_N = cut(samples, {"val": val_fraction}, seed=3).values()
    assert sorted(train_N.tolist() + val_N.tolist()) == list(range(samples))
    assert abs(len(val_N) - samples * val_fraction) <= 0.5


def test_val_fraction_zero_leaves_no_val():
    train_N, val_N = cut(10, {"val": 0.0}, seed=0).values()
    assert train_N.tolist() == list(range(10))
    assert val_N.tolist() == []


def test_the_cut_is_a_function_of_its_seed_alone():
    first = cut(100, {"val": 0.2}, seed=0)
    torch.manual_seed(123)
    again = cut(100, {"val": 0.2}, seed=0)
    other = cut(100, {"val": 0.2}, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.values(), again.values(), strict=True))
    assert not torch.equal(first["val"], other["val"])


def test_the_cut_leaves_the_global_random_numbers_alone():
    state = torch.get_rng_state()
    cut(100, {"val": 0.2}, seed=0)
    assert torch.equal(state, torch.get_rng_state())


def test_the_cut_is_the_one_of_earlier_runs():
    val_N = cut(20, {"val": 0.25}, seed=0)["val"]
    assert val_N.tolist() == [4, 5, 7, 13, 19]  # another cut would leak old checkpoints' training samples into val


def test_every_class_reaches_val_from_sorted_data():
    labels_N = torch.arange(1000) // 100  # sorted by class, as image folders are
    val_N = cut(1000, {"val": 0.1}, seed=0)["val"]
    assert labels_N[val_N].unique().tolist() == list(range(10))


def test_runs_that_differ_in_seed_share_one_val_set():
    runs = [toy.tabular(seed=seed, val_fraction=0.25) for seed in (0, 1)]
    moved = toy.tabular(seed=0, split_seed=1, val_fraction=0.25)
    for data in (*runs, moved):
        data.setup("fit")
    assert torch.equal(runs[0].indices["val"], runs[1].indices["val"])
    assert not torch.equal(runs[0].indices["val"], moved.indices["val"])
    orders = [torch.cat([y_B for _, y_B in data.train_dataloader()]) for data in runs]
    assert not torch.equal(*orders)
