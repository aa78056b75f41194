"""Libraries that need not be there: timm's nets, and torchdata's and litdata's loaders, which go on by themselves."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from src.command.check import check
from src.config.build import build
from src.config.plain import plain
from src.fit.replay import Seeded
from tests.strangers.plain import LIBRARIES
from tests.strangers.test_cells import lines, words
from tests.strangers.test_joined import composed

LAB = str(Path(__file__).parent)


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    """Return a function that gives torchdata's loader of digits which are augmented in so many workers."""
    pytest.importorskip("torchdata.stateful_dataloader")
    monkeypatch.syspath_prepend(LAB)
    from lab.stateful import ResumableDigits  # type: ignore[import-not-found]

    def loader(workers: int) -> Any:
        data = ResumableDigits(batch_size=130, num_workers=workers)
        data.setup()
        return data.train_dataloader()

    yield loader
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
        del sys.modules[name]


def epoch_of(loader: Any, *, start: int = 0, at_start: dict[str, Any] | None = None) -> tuple[list[Tensor], list[Any]]:
    """Return the images of epoch 1 from batch `start` on, and what is needed to go on after each of its batches."""
    torch.manual_seed(start)  # whatever happened before
    seeded = Seeded(loader, "max_size_cycle", seed=3, rank=0, epoch=lambda: 1)
    seeded.start, seeded.at_start = start, at_start or {}
    found, states = [], []
    for batch, _, _ in iter(seeded):
        found.append(batch[0])
        last = max(seeded.before)
        states.append(seeded.before[last] | {"checksum": seeded.marks[last]})
    return found, states


@pytest.mark.filterwarnings("ignore:.* is deprecated, please do not call")  # torchdata asks torch for all its names
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_torchdatas_loader_goes_on_to_the_same_batches_whatever_its_workers_draw(digits: Any, workers: int) -> None:
    whole, states = epoch_of(digits(workers))
    assert len(whole) == 10
    for start in (3, 6, 9):
        rest, _ = epoch_of(digits(workers), start=start, at_start=states[start - 1])
        assert len(rest) == 10 - start
        assert all(torch.equal(one, other) for one, other in zip(rest, whole[start:], strict=True))


def test_timms_net_is_one_of_supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    monkeypatch.setenv("ALLOWED_TARGETS", "timm")
    net = "{_target_: timm.create_model, model_name: test_resnet, num_classes: '${model.outputs}', in_chans: 1}"
    cfg = composed(tmp_path, "model=softmax_regression", f"model.net={net}")
    check(cfg)
    assert build(plain(cfg)["model"])(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.slow
@pytest.mark.parametrize(("library", "pair"), [(library, pair) for library in LIBRARIES for pair in LIBRARIES[library]])
def test_a_killed_run_on_it_goes_on_to_the_bits_of_one_that_was_not(library: str, pair: str) -> None:
    pytest.importorskip(library)
    assert words(lines(pair, "--kill", "--eval")) == ["ok", "ok", "ok | ok"]
