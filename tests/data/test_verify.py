"""Targets are what the config states, or one line says which are not."""

import pytest
import torch

from src.data.dataset import dataset
from src.data.module import Data
from src.data.read.verify import verified

SETS_NK = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 1]])


def labelled(**settings: object) -> Data:
    def read(*, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.arange(8.0).view(4, 2), SETS_NK

    facts = {"shape": (2,), "labels": ["a", "b", "c"], "task": "multilabel", "scale": 1, "batch_size": 2}
    facts |= {"classes": ["a", "b", "c"], "val_fraction": 0.25, "shuffle": False}
    return dataset()(read)(**facts | settings)


def test_a_choice_of_labels_is_a_choice_of_columns_and_every_sample_stays() -> None:
    data = labelled(classes=["c", "a"])
    data.setup("test")
    assert data.targets("test").tolist() == SETS_NK[:, [2, 0]].tolist()


def test_the_samples_with_each_label_are_counted() -> None:
    data = labelled(val_fraction=0)
    data.setup("fit")
    assert data.class_counts().tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("target_NK", "words"),
    [
        (SETS_NK[:, :2], "targets of 2 labels in the data, but data.classes names 3"),
        (SETS_NK * 2, r"sample 0 has targets \[2, 0, 2\]: each label is 0 or 1"),
        (-SETS_NK, r"sample 0 has targets \[-1, 0, -1\]"),
    ],
)
def test_sets_that_are_none_are_one_line(target_NK: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        verified(torch.zeros(4, 2), target_NK, labels=["a", "b", "c"], numbers=None)


def test_batches_have_a_row_of_labels_per_sample() -> None:
    data = labelled()
    data.setup("test")
    assert [y_BK.tolist() for _, y_BK in data.test_dataloader()] == [SETS_NK[:2].tolist(), SETS_NK[2:].tolist()]
