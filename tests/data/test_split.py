"""The cut between train and val, and into folds: complete, disjoint, a function of its own seed."""

import pytest
import torch

from src.data.split.splitting import cut, fold
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


@pytest.mark.parametrize(("samples", "folds"), [(2, 2), (11, 3), (1437, 5), (20, 20)])
def test_folds_are_disjoint_together_everything_and_of_one_size(samples, folds):
    samples_N = torch.arange(samples) * 3  # positions, not a range
    parts = [fold(samples_N, number, folds, seed=1) for number in range(folds)]
    assert sorted(torch.cat([part["val"] for part in parts]).tolist()) == samples_N.tolist()
    assert {len(part["val"]) for part in parts} <= {samples // folds, samples // folds + 1}
    for part in parts:
        assert part["val"].tolist() == sorted(part["val"].tolist())
        assert sorted(part["train"].tolist() + part["val"].tolist()) == samples_N.tolist()


def test_the_folds_are_those_of_earlier_runs():
    assert fold(torch.arange(10), 1, 5, seed=0)["val"].tolist() == [0, 1]


def test_folds_depend_on_the_split_seed_alone_and_leave_the_test_set_as_it_was():
    def indices(**settings):
        data = toy.tabular(official=("train",), **settings)
        for stage in ("fit", "test"):
            data.setup(stage)
        return {split: rows_N.tolist() for split, rows_N in data.indices.items()}

    without, folded = indices(), indices(folds=4, fold=1)
    assert folded["test"] == without["test"]
    assert sorted(row for rows in folded.values() for row in rows) == list(range(40))
    assert indices(folds=4, fold=1, seed=7) == folded
    assert indices(folds=4, fold=1, val_fraction=0.0)["val"] != folded["val"]  # the test set was cut from others
    assert indices(folds=4, fold=1, split_seed=1)["val"] != folded["val"]
    assert not set(indices(folds=4, fold=2)["val"]) & set(folded["val"])


def test_a_fold_takes_the_place_of_val_fraction():
    data = toy.tabular(folds=5, fold=4, val_fraction=0.0)
    data.setup("fit")
    assert (len(data.indices["train"]), len(data.indices["val"])) == (32, 8)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"folds": 5, "fold": 5}, r"data.fold=5, data.folds=5: set data.fold to a number from 0 to 4"),
        ({"folds": 5, "fold": -1}, r"data.fold=-1, data.folds=5: .* from 0 to 4"),
        ({"folds": 5}, r"data.folds=5: set data.fold to a number from 0 to 4"),
        ({"fold": 0}, r"data.fold=0: .* set data.folds=5"),
        ({"folds": 1, "fold": 0}, r"data.folds=1: set at least 2"),
        (
            {"folds": 5, "fold": 0, "official": ("train", "val", "test")},
            r"official val split: leave it out of data.official",
        ),
        ({"folds": 5, "fold": 0, "splits": ("train", "test")}, r"no val split that is cut"),
        ({"folds": 5, "fold": 0, "shared_split": True}, r"no val split that is cut"),
    ],
)
def test_folds_that_cannot_be_are_refused_by_name_before_anything_is_read(settings, said):
    with pytest.raises(ValueError, match=said):
        toy.tabular(**settings)


def test_more_folds_than_samples_are_refused():
    data = toy.tabular(folds=41, fold=0)
    with pytest.raises(ValueError, match=r"data.folds=41 of 40 samples: .* lower it"):
        data.setup("fit")
