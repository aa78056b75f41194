"""Lookahead is the published loop, whatever a call or an optimizer step is made of."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from src.callback.lookahead import Lookahead
from tests import toy

EPOCHS, LR = 3, 0.1  # of 5 batches: 36 training samples, 8 in a batch


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


def fitted(folder: Path, callback: Lookahead, **settings: Any) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """The net after a fit with `callback`, and the batches that it saw."""
    batches: list[tuple[Tensor, Tensor]] = []
    callbacks = [toy.Each(lambda trainer, batch: batches.append(batch))]
    model = toy.multiclass(
        net(), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=lambda weights: torch.optim.SGD(weights, lr=LR)
    )
    trainer = toy.trainer(folder, max_epochs=EPOCHS, callbacks=[*callbacks, callback], **settings)
    trainer.fit(model, toy.tabular(batch_size=8))
    return model.net, batches


def bare(batches: list[tuple[Tensor, Tensor]], *, every: int, decay: float) -> nn.Module:
    """Steps on the batches, as published: slow = kept * slow + (1 - kept) * fast; fast = slow."""
    fast = net()
    optimizer = torch.optim.SGD(fast.parameters(), lr=LR)
    slow = {name: value.clone() for name, value in fast.state_dict().items()}
    for step, (x_B, y_B) in enumerate(batches, start=1):
        optimizer.zero_grad()
        nn.functional.cross_entropy(fast(x_B), y_B).backward()
        optimizer.step()
        if step % every:
            continue
        kept = decay * (step / len(batches)) ** 3
        for name, value in fast.state_dict().items():
            if value.is_floating_point():
                slow[name] = kept * slow[name] + (1 - kept) * value
                value.copy_(slow[name])
    return fast


@pytest.mark.parametrize("every", [1, 2, 5])
def test_it_is_the_published_loop(tmp_path: Path, every: int) -> None:
    got, batches = fitted(tmp_path, Lookahead(every_n_steps=every, decay=0.9))
    assert len(batches) == 15
    expected = bare(batches, every=every, decay=0.9).state_dict()
    torch.testing.assert_close(dict(got.state_dict()), dict(expected))
    plain = bare(batches, every=100, decay=0.9).state_dict()
    assert not torch.allclose(got.state_dict()["0.weight"], plain["0.weight"], atol=1e-4)


def test_with_a_decay_of_0_it_changes_nothing(tmp_path: Path) -> None:
    got, batches = fitted(tmp_path, Lookahead(decay=0.0))
    torch.testing.assert_close(dict(got.state_dict()), dict(bare(batches, every=100, decay=0.9).state_dict()))


def test_batches_without_an_optimizer_step_are_none(tmp_path: Path) -> None:
    """Two batches a step and one in an epoch's last: 9 steps, of which it looks back after the first three threes."""
    slow_steps: list[int] = []

    class Counts(Lookahead):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            before = {name: value.clone() for name, value in self._slow.items()}
            super().on_train_batch_end(trainer, pl_module, *args)
            if any(not torch.equal(before[name], value) for name, value in self._slow.items()):
                slow_steps.append(trainer.global_step)

    fitted(tmp_path, Counts(every_n_steps=3, decay=0.9), accumulate_grad_batches=2)
    assert slow_steps == [3, 6, 9]


@pytest.mark.parametrize(
    ("settings", "says"), [({"every_n_steps": 0}, "every_n_steps=0"), ({"decay": 1.5}, "decay=1.5")]
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Lookahead(**settings)
