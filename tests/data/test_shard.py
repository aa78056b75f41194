"""The parts of all processes are, sample by sample and bit for bit, the batches of one process."""

from typing import Any

import pytest
import torch
from torch import Tensor

from src.data.load.batches import Batches, Fetch, Order, from_memory, from_workers
from src.data.load.shard import Shard
from src.data.transform.mix import Mix
from src.data.transform.normalize import Normalize
from src.data.transform.prepare import Augment
from tests import toy

N = 23  # in batches of 6: the last one has 5
IMAGES = torch.randint(0, 256, (N, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
NUMBERS = torch.arange(N)
RANKS = (2, 3, 5, 6)
AUGMENT: dict[str, Any] = {
    "nothing": {},
    "crops and flips": {"augment": Augment(2, True)},
    "reflected crops, alternating flips": {"augment": Augment(2, "alternating", padding_mode="reflect")},
    "resized crops": {"augment": Augment(random_resized_crop=(0.2, 1.0), size=(6, 6), horizontal_flip=True)},
    "mixup": {"augment": Augment(2, True), "mix": Mix(mixup=0.4, classes=N)},
    "cutmix": {"augment": Augment(2, True), "mix": Mix(cutmix=1.0, classes=N)},
    "both": {"mix": Mix(0.4, 1.0, classes=N)},
}


def batches(
    shard: Shard | None, *, fetch: Fetch | None = None, batch_size: int = 6, passes: int = 1, **given: Any
) -> Batches:
    order = Order(NUMBERS, seed=3, shuffle=True, passes=passes)
    order.set_epoch(2)
    settings = {"drop_last": False, "normalize": Normalize()} | given
    return Batches(fetch or from_memory(IMAGES, NUMBERS), order, batch_size=batch_size, shard=shard, **settings)


def together(loaders: list[Batches], start: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Each batch as the parts that count make it, one behind the other."""
    parts = [list(loader) for loader in loaders]
    assert len({len(part) for part in parts}) == 1
    joined = []
    for step, of_ranks in enumerate(zip(*parts, strict=True), start):
        counts = [loader.count(step) for loader in loaders]
        assert all(len(x_B) == max(1, count) for (x_B, _), count in zip(of_ranks, counts, strict=True))
        counted = [(x_B[:count], y_B[:count]) for (x_B, y_B), count in zip(of_ranks, counts, strict=True)]
        x, y = (torch.cat(column) for column in zip(*counted, strict=True))
        joined.append((x, y))
    return joined


def assert_same(ours: list[tuple[Tensor, Tensor]], whole: list[tuple[Tensor, Tensor]]) -> None:
    assert len(ours) == len(whole)
    for (x, y), (whole_x, whole_y) in zip(ours, whole, strict=True):
        assert torch.equal(x, whole_x)
        assert torch.equal(y, whole_y)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("kind", AUGMENT)
def test_the_parts_of_a_batch_are_the_batch_with_its_augmentation(kind, ranks):
    loaders = [batches(Shard(rank, ranks), **AUGMENT[kind]) for rank in range(ranks)]
    assert_same(together(loaders), list(batches(None, **AUGMENT[kind])))


@pytest.mark.parametrize("settings", [{"drop_last": True}, {"passes": 3}, {"batch_size": 11}, {"batch_size": 100}])
def test_the_parts_are_the_batch_however_an_epoch_is_cut(settings):
    loaders = [batches(Shard(rank, 3), **settings) for rank in range(3)]
    assert_same(together(loaders), list(batches(None, **settings)))


def test_where_a_batch_has_fewer_samples_than_processes_each_still_counts_once():
    loaders = [batches(Shard(rank, 9), batch_size=10) for rank in range(9)]  # of 10, 10 and 3
    assert [loader.count(2) for loader in loaders] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert_same(together(loaders), list(batches(None, batch_size=10)))


@pytest.mark.parametrize("start", [1, 3])
def test_the_parts_go_on_within_an_epoch_where_one_process_would(start):
    settings, loaders = AUGMENT["mixup"], []
    for rank in range(3):
        loader = batches(Shard(rank, 3), **settings)
        loader.start = start
        loaders.append(loader)
    assert_same(together(loaders, start), list(batches(None, **settings))[start:])


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_parts_are_the_batch_too(workers):
    settings = AUGMENT["mixup"]
    streamed = from_workers(IMAGES, NUMBERS, workers=workers)
    loaders = [batches(Shard(rank, 2), fetch=streamed, **settings) for rank in range(2)]
    assert_same(together(loaders), list(batches(None, **settings)))


@pytest.mark.parametrize("samples", [1, 2, 7, 100, 10_007])
@pytest.mark.parametrize("ranks", [1, 2, 3, 8, 13])
def test_parts_cover_a_batch_once_and_differ_by_one_sample(samples, ranks):
    shards = [Shard(rank, ranks) for rank in range(ranks)]
    counts = [shard.count(samples) for shard in shards]
    rows = [shard.part(samples).rows[:count] for shard, count in zip(shards, counts, strict=True)]
    assert torch.cat(rows).tolist() == list(range(samples))
    assert max(counts) - min(counts) <= 1


def test_sizes_are_those_of_the_batches():
    for settings in ({}, {"drop_last": True}, {"passes": 3}, {"batch_size": 100}):
        loader = batches(None, **settings)
        assert [loader.size(step) for step in range(loader.batches)] == [len(y_B) for _, y_B in loader]


class Three:
    """As much of a Trainer as the data ask: one process of three."""

    world_size, global_rank = 3, 1


def test_a_batch_smaller_than_the_processes_is_refused_before_data_are_read():
    def read(*, split: str) -> tuple[Tensor, Tensor]:
        raise AssertionError("read")

    data = toy.tabular(batch_size=2)
    data.collection.read, data.trainer = read, Three()
    with pytest.raises(ValueError, match=r"data.batch_size=2 is shared by all 3 processes.*data.batch_size=3"):
        data.setup("fit")
