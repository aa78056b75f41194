"""Anybody's batches can be had again: the epoch decides them, and a resumed one goes on behind those it has had."""

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from src.fit.checkpoint import Checkpoint
from src.fit.generators import Streams, random_states, set_random_states
from src.fit.replay import Replay, Seeded, steady
from src.run.checkpoint_io import CheckpointIO, load
from tests import toy


class Noisy(Dataset[Tensor]):
    """Samples that each of the three generators has a part in, as careless augmentation has."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> Tensor:
        drawn = [torch.rand(()).item(), np.random.rand(), random.random()]
        return torch.tensor([float(index), *drawn])


class Stream(IterableDataset[Tensor]):
    """Numbers that nobody can have again."""

    def __iter__(self) -> Any:
        generator = np.random.default_rng()
        return (torch.tensor([generator.random(), 0.0, 0.0, 0.0], dtype=torch.float32) for _ in range(24))


class Counted(DataLoader[Tensor]):
    """A loader that can say where it is, and go on there: it remembers how many batches it gave."""

    given, skipped = 0, 0

    def state_dict(self) -> dict[str, Any]:
        return {"given": self.given}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["given"]

    def __iter__(self) -> Any:
        self.given, self.skipped = self.skipped, 0
        batches = super().__iter__()
        for _ in range(self.given):
            next(batches)
        return self._counting(batches)

    def _counting(self, batches: Any) -> Any:
        for batch in batches:
            self.given += 1
            yield batch


class Mistaken(Counted):
    """A loader that goes on a batch too far."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["given"] + 1


class Sharing(Counted):
    """A loader that does as litdata's.

    It keeps the very state it was given, writes in it whatever it is asked, and goes on there until an epoch is
    iterated to its end and beyond.
    """

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self.state: dict[str, Any] = {}
        self.restore = False

    def state_dict(self) -> dict[str, Any]:
        self.state["given"] = self.given
        return self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.given, self.state, self.restore = 0, state_dict, True

    def __iter__(self) -> Any:
        return self._from_there(DataLoader.__iter__(self))

    def _from_there(self, batches: Any) -> Any:
        self.given = self.state["given"] if self.restore else 0
        for _ in range(self.given):
            next(batches)
        yield from self._counting(batches)
        self.restore = False


def epoch(loader: Seeded, start: int = 0) -> list[Tensor]:
    loader.start = start
    batches: Any = iter(loader)
    return [next(batches)[0] for _ in range(6 - start)]


def seeded(number: int, **settings: Any) -> Seeded:
    torch.manual_seed(number)  # whatever happened before
    loader = DataLoader(Noisy(), batch_size=4, shuffle=True, **settings)
    return Seeded(loader, "max_size_cycle", seed=3, rank=0, epoch=lambda: number)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epochs_batches_follow_from_its_number_and_not_from_what_was_drawn_before(workers: int) -> None:
    settings: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
    loader = seeded(1, **settings)
    first, again = epoch(loader), epoch(loader)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    other = epoch(seeded(2, **settings))
    assert not torch.equal(torch.cat(first), torch.cat(other))
    assert sorted(torch.cat(first)[:, 0].tolist()) == sorted(torch.cat(other)[:, 0].tolist()) == list(range(24))


def test_what_a_generator_of_the_loaders_own_draws_follows_from_the_epoch_too() -> None:
    own = torch.Generator().manual_seed(5)
    loader = seeded(1, generator=own)
    first = epoch(loader)
    torch.rand(7, generator=own)
    assert all(torch.equal(one, other) for one, other in zip(first, epoch(loader), strict=True))


@pytest.mark.parametrize("start", [1, 4, 5])
def test_a_resumed_epoch_goes_on_behind_the_batches_it_has_had(start: int) -> None:
    loader = seeded(1)
    rest, whole = epoch(loader, start), epoch(loader)
    assert len(rest) == 6 - start
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[start:], strict=True))


def test_iterating_leaves_the_generators_of_training_alone() -> None:
    loader = seeded(1)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[union-attr]
    epoch(loader)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    assert before[2] == random.getstate()


def test_states_of_the_generators_are_plain_and_put_them_back(tmp_path: Path) -> None:
    CheckpointIO().save_checkpoint({"state_dict": {}, "random": random_states()}, tmp_path / "x.ckpt")
    drawn = torch.rand(3), np.random.rand(3), random.random(), np.random.normal()
    set_random_states(load(tmp_path / "x.ckpt")["random"])
    again = torch.rand(3), np.random.rand(3), random.random(), np.random.normal()
    assert torch.equal(drawn[0], again[0])
    assert drawn[1].tolist() == again[1].tolist()
    assert drawn[2:] == again[2:]


def test_streams_of_other_keys_are_other_streams() -> None:
    found = []
    for key in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)):
        with Streams(*key):
            found.append((torch.rand(()).item(), np.random.rand(), random.random()))
    assert len({number for numbers in found for number in numbers}) == 12


class Net(lightning.LightningModule):
    """Learns from noise with dropout, and keeps every batch it was trained on in `seen`."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1))
        self.seen: list[Tensor] = []

    def training_step(self, batch: Tensor) -> Tensor:
        self.seen.append(batch.clone())
        loss = self.net(batch).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


class Stops(lightning.Callback):
    """Ends the process, as it were, after so many batches."""

    def __init__(self, after: int):
        self.after = after

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.after -= 1
        if not self.after:
            raise KeyboardInterrupt


def fit(folder: Path, loader: Any, *, after: int = 0, epochs: int = 2) -> Net:
    data = lightning.LightningDataModule()
    data.train_dataloader = lambda: loader  # type: ignore[method-assign]
    callbacks: list[Any] = [Checkpoint(str(folder), monitor="loss", every_n_steps=1), Replay(seed=1)]
    callbacks += [Stops(after)] if after else []
    last = folder / "last.ckpt"
    torch.manual_seed(7 if last.exists() else 0)
    model = Net()
    trainer = toy.trainer(folder, callbacks=callbacks, max_epochs=epochs, plugins=[CheckpointIO()])
    with suppress(KeyboardInterrupt, SystemExit):
        trainer.fit(model, data, ckpt_path=last if last.exists() else None, weights_only=True)
    return model


@pytest.mark.parametrize("kind", [DataLoader, Counted, Mistaken, Sharing])
@pytest.mark.parametrize("after", [2, 6, 9])
def test_a_fit_on_foreign_loaders_goes_on_to_the_same_batches_and_bits(kind: Any, after: int, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", kind(Noisy(), batch_size=4, shuffle=True))
    first = fit(tmp_path / "cut", kind(Noisy(), batch_size=4, shuffle=True), after=after)
    rest = fit(tmp_path / "cut", kind(Noisy(), batch_size=4, shuffle=True))
    had = first.seen[: 12 - len(rest.seen)]
    assert len(rest.seen) < 12
    for one, other in zip([*had, *rest.seen], whole.seen, strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(value, rest.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_loader_with_a_state_goes_on_by_itself_and_loads_nothing_again(tmp_path: Path) -> None:
    fit(tmp_path, Counted(Noisy(), batch_size=4, shuffle=True), after=3)
    again = Counted(Noisy(), batch_size=4, shuffle=True)
    fit(tmp_path, again, epochs=1)
    assert load(tmp_path / "last.ckpt")["global_step"] == 6
    assert again.given == 6


def test_a_stream_that_cannot_be_had_again_is_told_and_recorded(tmp_path: Path, caplog: Any) -> None:
    fit(tmp_path, DataLoader(Stream(), batch_size=4), after=3)
    with caplog.at_level("WARNING", logger="src.fit.replay"):
        fit(tmp_path, DataLoader(Stream(), batch_size=4))
    assert "the run goes on with other data" in caplog.text
    assert load(tmp_path / "last.ckpt")["global_step"] == 12


class Careless(lightning.LightningDataModule):
    """Draws where it writes and where it is set up, from the generators that training draws from."""

    def prepare_data(self) -> None:
        self.written = torch.randperm(50)

    def setup(self, stage: str) -> None:
        self.order = torch.randperm(50)


def test_setup_draws_the_same_split_whenever_it_is_called() -> None:
    data: Any = steady(Careless(), seed=0)
    data.setup("fit")
    first = data.order
    torch.rand(9)
    data.setup(stage="test")
    assert torch.equal(first, data.order)


def test_data_that_are_written_once_draw_nothing_of_what_the_run_draws() -> None:
    data: Any = steady(Careless(), seed=0)
    before = torch.get_rng_state()
    data.prepare_data()
    assert data.written.sort().values.tolist() == list(range(50))
    assert torch.equal(before, torch.get_rng_state())
