"""Truth tables and thermometer readings, and how tiny training sets are gone through."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch import Tensor

from src.data.dataset import dataset
from src.data.load.batches import Order
from src.data.module import Data
from src.data.read.logic_gate import logic_gate
from src.data.read.temperature import temperature
from src.data.transform.normalize import Normalize


def data(read, **options):
    facts = {"shape": (2,), "classes": ["0", "1"], "task": "binary", "scale": 1, "batch_size": 4, "shuffle": False}
    return dataset()(read)(**(facts | options))


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


@dataset()
def iris(*, dtype: torch.dtype = torch.float64, split: str) -> tuple[Tensor, Tensor]:
    """As the README tells to write a dataset: Fisher's irises, in centimetres."""
    bunch = load_iris()
    return torch.from_numpy(bunch.data).to(dtype), torch.from_numpy(bunch.target)


def irises(dtype: torch.dtype, **settings) -> Data:
    facts = {"shape": (4,), "classes": ["setosa", "versicolor", "virginica"], "task": "multiclass"}
    return iris(dtype=dtype, official=["train"], **facts, **settings)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_features_that_are_stored_as_floats_reach_the_net_as_they_are(dtype):
    data = irises(dtype)
    for stage, loader, split in (("fit", data.val_dataloader, "val"), ("test", data.test_dataloader, "test")):
        data.setup(stage)
        x_ND = torch.cat([x_BD for x_BD, _ in loader()])
        assert torch.equal(x_ND, torch.from_numpy(load_iris().data).to(dtype).float()[data.indices[split]])
    assert data.normalize.scale == 1


def test_a_net_learns_from_features_that_are_stored_as_floats():
    data = irises(torch.float64, batch_size=10)
    data.setup("fit")
    data.setup("test")
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    loader = data.train_dataloader()
    for epoch in range(30):
        loader.sampler.set_epoch(epoch)
        for x_BD, target_B in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x_BD), target_B).backward()
            optimizer.step()
    hits = [(net(x_BD).argmax(dim=1) == target_B).float() for x_BD, target_B in data.test_dataloader()]
    assert torch.cat(hits).mean() > 0.9  # of features divided by 255 the same steps make 0.33


@pytest.mark.parametrize(
    ("dtype", "scale"), [(torch.uint8, 255), (torch.bool, 1), (torch.float32, 1), (torch.float64, 1)]
)
def test_the_dtype_says_what_becomes_one(dtype, scale):
    x_BD = torch.tensor([[0, 1, 1, 0]]).to(dtype)
    assert Normalize()(x_BD).tolist() == (x_BD.float() / scale).tolist()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int16, torch.int64, torch.float32])
def test_a_scale_that_is_typed_wins_for_every_dtype(dtype):
    x_BD = torch.tensor([[0, 1, 1, 0]]).to(dtype)
    assert Normalize(scale=10)(x_BD).tolist() == (x_BD.float() / 10).tolist()


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64])
def test_whole_numbers_that_may_be_anything_are_asked_for_their_scale_before_a_batch_is_made(dtype):
    with pytest.raises(ValueError, match=r"data\.scale=null: samples of u?int\d+ .*set data\.scale=1"):
        irises(dtype).setup("fit")
    irises(dtype, scale=1).setup("fit")


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_divides_by_nothing_is_refused(scale):
    with pytest.raises(ValueError, match=r"data\.scale="):
        irises(torch.float32, scale=scale)


def test_an_image_to_preprocess_is_of_eight_bits_though_the_datasets_are_floats():
    pixels_NCHW = torch.rand(40, 1, 4, 4)

    def floats(*, split: str) -> tuple[Tensor, Tensor]:
        return pixels_NCHW, torch.arange(40) % 2

    data = dataset()(floats)(shape=(1, 4, 4), classes=["a", "b"], task="binary")
    data.setup("fit")
    white = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    assert data.preprocess(white).unique().tolist() == [1.0]
    x_BCHW = next(iter(data.val_dataloader()))[0]
    assert torch.equal(x_BCHW, pixels_NCHW[data.indices["val"]])
    torch.testing.assert_close(data.normalize.invert(x_BCHW), x_BCHW)
