"""Truth tables and thermometer readings, and how tiny training sets are gone through."""

import numpy as np
import pytest
import torch

from src.data.batches import Order
from src.data.module import Data
from src.data.read.logic_gate import logic_gate
from src.data.read.temperature import temperature


def data(read, **options):
    facts = {"shape": (2,), "classes": ["0", "1"], "task": "binary", "scale": 1, "batch_size": 4, "shuffle": False}
    return Data(read, **(facts | options))


@pytest.mark.parametrize(
    ("gate", "of"),
    [
        ("and", np.logical_and),
        ("or", np.logical_or),
        ("xor", np.logical_xor),
        ("nand", lambda a, b: ~np.logical_and(a, b)),
    ],
)
def test_a_gate_is_numpys(gate, of):
    x_N2, y_N = logic_gate.read(gate, split="train")
    a, b = x_N2.numpy().astype(bool).T
    assert y_N.tolist() == of(a, b).astype(int).tolist()
    assert len({tuple(row) for row in x_N2.tolist()}) == 4


@pytest.mark.parametrize(
    ("gate", "weights", "bias"), [("and", (0.5, 0.5), -0.7), ("nand", (-0.5, -0.5), 0.7), ("or", (0.6, 0.6), -0.5)]
)
def test_the_hand_set_weights_of_the_text_make_the_same_table(gate, weights, bias):
    x_N2, y_N = logic_gate.read(gate, split="train")
    assert ((x_N2 @ torch.tensor(weights) + bias) > 0).long().tolist() == y_N.tolist()


def test_xor_is_and_of_nand_and_or():
    nand, either, xor = (logic_gate.read(gate, split="train")[1] for gate in ("nand", "or", "xor"))
    assert (nand & either).tolist() == xor.tolist()


def test_an_unknown_gate_lists_the_known():
    with pytest.raises(ValueError, match=r"gate=foo: choose from and, nand, or, xor"):
        logic_gate.read("foo", split="train")


def test_a_truth_table_serves_as_every_split():
    table = data(lambda *, split: logic_gate.read("xor", split=split), shared_split=True)
    for stage in ("fit", "validate", "test"):
        table.setup(stage)
    for loader in (table.train_dataloader(), table.val_dataloader(), table.test_dataloader()):
        (batch,) = list(loader)
        assert batch[0].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert batch[1].tolist() == [0, 1, 1, 0]


def test_least_squares_on_the_thermometer_is_the_published_line():
    x_N1, y_N = temperature.read(split="train")
    slope, offset = np.polyfit(x_N1.squeeze(1).numpy() * 0.1, y_N.numpy(), 1)
    assert slope == pytest.approx(5.3677, abs=1e-3)
    assert offset == pytest.approx(-17.3048, abs=1e-3)


def test_an_epoch_of_three_passes_sees_each_sample_three_times_each_pass_in_its_own_order():
    order = Order(torch.arange(50), seed=0, shuffle=True, passes=3)
    passes = order().view(3, 50)
    assert len(order) == 150
    assert all(sorted(one) == list(range(50)) for one in passes.tolist())
    assert len({tuple(one) for one in passes.tolist()}) == 3


def test_passes_over_a_table_are_full_batches():
    table = data(lambda *, split: logic_gate.read("and", split=split), shared_split=True, passes=5)
    table.setup("fit")
    batches = list(table.train_dataloader())
    assert len(batches) == len(table.train_dataloader()) == 5
    assert all(y_B.tolist() == [0, 0, 0, 1] for _, y_B in batches)


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "sizes"), [(4, False, [4, 4, 1]), (4, True, [4, 4]), (11, False, [9])]
)
def test_no_batch_is_of_two_passes(batch_size, drop_last, sizes):
    facts = {"shape": [1], "classes": None, "task": "regression", "val_fraction": 0.2}
    nine = data(temperature.read, **facts, batch_size=batch_size, drop_last=drop_last, passes=3, shuffle=True)
    nine.setup("fit")
    loader = nine.train_dataloader()
    batches = [readings_B1.flatten().tolist() for readings_B1, _ in loader]
    assert [len(batch) for batch in batches] == sizes * 3
    assert len(loader) == len(batches)
    assert loader.size(loader.batches - 1) == min(sizes)
    for number in range(3):
        seen = [one for batch in batches[number * len(sizes) : (number + 1) * len(sizes)] for one in batch]
        assert len(set(seen)) == len(seen) == sum(sizes)


def test_a_dataset_without_a_test_set_says_what_to_do():
    readings = temperature(shape=[1], classes=None, task="regression", splits=["train", "val"], val_fraction=0.2)
    with pytest.raises(ValueError, match="there is no test split: set test=false"):
        readings.setup("test")
