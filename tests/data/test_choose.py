"""A choice of classes keeps exactly their samples and numbers them in the order of the choice."""

import pytest
import torch

from src.data.read.choose import choose, class_numbers, taken

LABELS = ["airplane", "automobile", "bird", "cat"]


def test_chosen_samples_are_those_of_their_classes_in_their_order_and_renumbered():
    images_NCHW = torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1)
    target_N = torch.tensor([0, 2, 3, 2, 1, 0, 3, 2])

    renumbered_N, rows_M = choose(target_N, class_numbers(["bird", "airplane"], LABELS))

    assert taken(images_NCHW, rows_M).flatten().tolist() == [0, 1, 3, 5, 7]
    assert renumbered_N.tolist() == [1, 0, -1, 0, -1, 1, -1, 0]


def test_a_choice_of_files_decodes_no_other_file():
    class Counting:
        asked: list[int] = []  # noqa: RUF012 - one object, one list

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> torch.Tensor:
            self.asked.append(index)
            return torch.tensor(index)

    images = Counting()
    _, rows_M = choose(torch.tensor([1, 0, 1, 0]), [1])
    kept = taken(images, rows_M)

    assert [int(kept[i]) for i in range(len(kept))] == [0, 2]
    assert images.asked == [0, 2]


@pytest.mark.parametrize(
    ("classes", "says"),
    [(["brid"], "did you mean bird"), (["x"], "choose from airplane"), (["cat", "cat"], "names a class twice")],
)
def test_a_choice_that_cannot_be_made_says_what_could(classes, says):
    with pytest.raises(ValueError, match=says):
        class_numbers(classes, LABELS)
