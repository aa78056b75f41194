"""Each epoch serves every sample once, in an order and with augmentation that (seed, epoch, step) decide."""

import lightning
import pytest
import torch
from torch import Tensor, nn

from src.data.load.batches import Batches, Order, from_memory, from_workers
from src.data.load.shard import Shard
from src.data.transform.normalize import Normalize
from src.data.transform.prepare import Augment
from tests import toy

N = 23
IMAGES = torch.randint(0, 256, (N, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
NUMBERS = torch.arange(N)


def batches(fetch=None, *, seed=0, epoch=0, batch_size=5, drop_last=False, shuffle=True, augment=None) -> Batches:
    order = Order(NUMBERS, seed=seed, shuffle=shuffle)
    order.set_epoch(epoch)
    return Batches(
        fetch or from_memory(IMAGES, NUMBERS),
        order,
        batch_size=batch_size,
        drop_last=drop_last,
        normalize=Normalize(),
        augment=augment,
    )


def same(first: list[tuple[Tensor, Tensor]], second: list[tuple[Tensor, Tensor]]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(x, other_x) and torch.equal(y, other_y)
        for (x, y), (other_x, other_y) in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_serves_each_sample_once_in_as_many_batches_as_len_says(batch_size, drop_last, shuffle):
    loader = batches(batch_size=batch_size, drop_last=drop_last, shuffle=shuffle)
    sizes = [len(y_B) for _, y_B in loader]
    served = [y for _, y_B in loader for y in y_B.tolist()]
    assert len(loader) == len(sizes)
    assert len(served) == len(set(served)) == (N // batch_size * batch_size if drop_last else N)
    assert set(sizes[:-1]) <= {batch_size}
    if sizes:
        assert loader.size(loader.batches - 1) == min(sizes)


@pytest.mark.parametrize("fetch", [from_memory(IMAGES, NUMBERS), from_workers(IMAGES, NUMBERS, workers=0)])
@pytest.mark.parametrize("start", range(6))
def test_an_iteration_from_a_start_on_is_the_rest_of_the_epoch_and_the_next_one_is_whole(start, fetch):
    loader = batches(fetch, epoch=3, augment=Augment(1, True))
    whole = list(loader)
    loader.start = start
    assert same(list(loader), whole[start:])
    assert same(list(loader), whole)


def test_each_image_keeps_its_label():
    for x_BCHW, y_B in batches():
        torch.testing.assert_close(x_BCHW, IMAGES[y_B] / 255)


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    def order(**key: int) -> list[int]:
        torch.rand(1)  # what else is drawn does not matter
        return [y for _, y_B in batches(**key) for y in y_B.tolist()]

    orders = [order(seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(o) for o in orders}) == 4
    assert orders == [order(seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]


def test_without_shuffle_the_order_is_the_given_one_in_every_epoch():
    assert [y for _, y_B in batches(shuffle=False, epoch=3) for y in y_B.tolist()] == list(range(N))


def test_augmentation_repeats_bit_for_bit_and_changes_with_seed_and_epoch():
    settings = {"augment": Augment(2, True), "shuffle": False}
    first = list(batches(**settings))
    assert same(first, list(batches(**settings)))
    for key in ({"epoch": 1}, {"seed": 1}):
        assert not same(first, list(batches(**settings, **key)))


def test_augmentation_differs_from_step_to_step():
    image = IMAGES[:1].expand(20, 1, 6, 6)
    loader = Batches(
        from_memory(image, NUMBERS[:20]),
        Order(NUMBERS[:20], seed=0, shuffle=False),
        batch_size=10,
        drop_last=False,
        normalize=Normalize(),
        augment=Augment(2, True),
    )
    (first, _), (second, _) = loader
    assert not torch.equal(first, second)


def mirrored(*, passes: int = 1, **settings) -> list[list[bool]]:
    """Whether each sample, in its order in IMAGES, was mirrored in each pass."""
    loader = batches(augment=Augment(0, "alternating"), **settings)
    loader.sampler.passes = passes
    done: list[list[bool]] = [[] for _ in range(N)]
    plain_NCHW = Normalize()(IMAGES)
    for x_BCHW, y_B in loader:
        for x_CHW, number in zip(x_BCHW, y_B.tolist(), strict=True):
            is_mirrored = torch.equal(x_CHW, plain_NCHW[number].flip(2))
            assert is_mirrored or torch.equal(x_CHW, plain_NCHW[number])
            done[number].append(is_mirrored)
    return done


@pytest.mark.parametrize("shuffle", [False, True])
def test_alternating_flips_mirror_each_sample_in_every_other_epoch(shuffle):
    epochs = [mirrored(shuffle=shuffle, epoch=epoch) for epoch in range(4)]
    assert epochs[0] == epochs[2] != epochs[1] == epochs[3]
    assert all(first != second for first, second in zip(epochs[0], epochs[1], strict=True))
    assert {sample[0] for sample in epochs[0]} == {False, True}
    assert epochs[0] != mirrored(shuffle=shuffle, seed=1)


def test_alternating_flips_take_turns_from_pass_to_pass_too():
    first, second = mirrored(passes=3), mirrored(passes=3, epoch=1)
    assert all(one == [one[0], not one[0], one[0]] for one in first)
    assert all(after == [not turn for turn in before] for before, after in zip(first, second, strict=True))


@pytest.mark.parametrize("start", range(6))
def test_alternating_flips_of_an_epoch_begun_in_its_midst_are_those_of_the_whole(start):
    loader = batches(augment=Augment(1, "alternating"), epoch=1)
    whole = list(loader)
    loader.start = start
    assert same(list(loader), whole[start:])


def test_augmentation_leaves_labels_and_stored_images_alone():
    before = IMAGES.clone()
    plain = [y_B for _, y_B in batches()]
    augmented = [y_B for _, y_B in batches(augment=Augment(2, True))]
    assert all(torch.equal(a, b) for a, b in zip(plain, augmented, strict=True))
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("drop_last", [False, True])
def test_workers_serve_the_same_bits_as_memory(workers, drop_last):
    settings = {"augment": Augment(2, True), "drop_last": drop_last, "epoch": 2}
    streamed = list(batches(from_workers(IMAGES, NUMBERS, workers=workers), **settings))
    assert same(streamed, list(batches(**settings)))


@pytest.mark.parametrize("fetch", [from_memory(IMAGES, NUMBERS), from_workers(IMAGES, NUMBERS, workers=0)])
def test_serving_leaves_the_global_random_numbers_alone(fetch):
    state = torch.get_rng_state()  # dropout draws from it: what serves the batches must not change the training
    list(batches(fetch, augment=Augment(2, True)))
    assert torch.equal(state, torch.get_rng_state())


class Remembers(lightning.LightningModule):
    """Remembers the labels of each epoch's training batches."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(36, 1)
        self.seen: dict[int, list[int]] = {}

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Remember."""
        x_BCHW, y_B = batch
        self.seen.setdefault(self.current_epoch, []).extend(y_B.tolist())
        return self.linear(x_BCHW.flatten(1)).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return one that learns nothing."""
        return torch.optim.SGD(self.parameters(), lr=0.0)


def test_lightning_tells_the_loader_its_epoch(tmp_path):
    module = Remembers()
    toy.trainer(tmp_path, max_epochs=3).fit(module, batches(seed=5))
    for epoch in range(3):
        expected = [y for _, y_B in batches(seed=5, epoch=epoch) for y in y_B.tolist()]
        assert module.seen[epoch] == expected


RARE_N = torch.tensor([0] * 50 + [1] * 8 + [2] * 2)


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("samples", [60, 59])
def test_a_balanced_epoch_has_as_many_of_each_class_and_as_many_samples(passes: int, samples: int) -> None:
    indices_N, class_N = torch.arange(100, 100 + samples), RARE_N[:samples]
    order = Order(indices_N, seed=3, shuffle=True, passes=passes, class_N=class_N)
    for epoch in range(3):
        order.set_epoch(epoch)
        drawn_N = order()
        assert len(drawn_N) == len(order) == passes * samples
        for drawn_M in drawn_N.split(samples):
            counts = class_N[drawn_M - 100].bincount(minlength=3)
            assert counts.max() - counts.min() <= 1
            times = (drawn_M - 100).bincount(minlength=samples)
            for k in range(3):  # no sample of a class comes again before all others of it
                assert times[class_N == k].max() - times[class_N == k].min() <= 1


def test_a_balanced_order_is_a_function_of_seed_and_epoch_alone() -> None:
    def drawn(seed: int, epoch: int) -> list[int]:
        order = Order(torch.arange(60), seed=seed, shuffle=True, class_N=RARE_N)
        order.set_epoch(epoch)
        return order().tolist()

    assert drawn(0, 1) == drawn(0, 1)
    assert len({tuple(drawn(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_a_class_that_is_not_there_takes_no_share() -> None:
    order = Order(torch.arange(60), seed=0, shuffle=True, class_N=2 * RARE_N)
    assert (2 * RARE_N)[order()].bincount().tolist() == [20, 0, 20, 0, 20]


def test_parts_of_a_balanced_batch_are_together_the_batch_of_one_process() -> None:
    data = toy.tabular(train=40, batch_size=6, val_fraction=0.2, sampler="balanced")
    data.setup("fit")
    whole = [x_B for x_B, _ in data.train_dataloader()]
    rows_N = data.collection["train"][2]
    loaders = [data.train_dataloader() for _ in range(2)]
    for rank, loader in enumerate(loaders):
        loader.shard = Shard(rank, 2)
    for x_B, *parts in zip(whole, *loaders, strict=True):
        assert torch.equal(x_B, torch.cat([part_B for part_B, _ in parts]))
    assert sum(loader.count(number) for loader in loaders for number in range(len(loader))) == len(rows_N)


@pytest.mark.parametrize("task", ["multilabel", "segmentation"])
def test_what_is_not_of_one_class_is_not_balanced(task: str) -> None:
    data = toy.pictured(task, sampler="balanced")
    data.setup("fit")
    with pytest.raises(ValueError, match=f"data.sampler=balanced, but with data.task={task}"):
        data.train_dataloader()
    for settings, words in (
        ({"sampler": "even"}, "sampler=even: choose from none, balanced"),
        ({"shuffle": False}, "shuffle=true"),
    ):
        with pytest.raises(ValueError, match=words):
            toy.pictured(task, **{"sampler": "balanced"} | settings)
