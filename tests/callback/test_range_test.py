"""The range test trains on real batches while the rate rises, and suggests where the loss falls fastest."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from src.callback.range_test import RangeTest, smooth, suggest
from tests import toy


def swept(folder, *, net=None, settings=None, optimizer=None, steps=30, **test):
    range_test = RangeTest(steps=steps, **test)
    optimizer = optimizer or partial(SGD, lr=0.1)
    model = toy.multiclass(net or nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=optimizer)
    seen = toy.Each(lambda trainer, batch: used.append([g["lr"] for g in trainer.optimizers[0].param_groups]))
    used: list[list[float]] = []
    trainer = toy.trainer(
        folder, callbacks=[range_test, seen], max_epochs=-1, max_steps=steps, limit_val_batches=0, **settings or {}
    )
    trainer.fit(model, toy.tabular(batch_size=8))
    return range_test, used


def test_each_step_uses_the_next_rate_of_a_geometric_series(tmp_path):
    test, used = swept(tmp_path, low=1e-4, high=1e-1, steps=31)
    np.testing.assert_allclose(test.rates, np.geomspace(1e-4, 1e-1, 31), rtol=1e-9)
    assert [rate for (rate,) in used] == test.rates
    assert len(test.losses) == 31


def test_the_losses_are_those_of_a_bare_loop_at_these_rates(tmp_path):
    net = nn.Linear(4, 3)
    copy = nn.Linear(4, 3)
    copy.load_state_dict(net.state_dict())
    test, _ = swept(tmp_path, net=net, low=1e-3, high=1.0, steps=12)
    data = toy.tabular(batch_size=8)
    data.setup("fit")
    losses, optimizer = [], SGD(copy.parameters(), lr=0)
    for epoch in range(3):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        for x_B, target_B in loader:
            if len(losses) == 12:
                break
            optimizer.param_groups[0]["lr"] = test.rates[len(losses)]
            loss = nn.functional.cross_entropy(copy(x_B), target_B)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert test.losses == pytest.approx(losses, rel=1e-5)


def test_groups_keep_the_ratio_of_their_rates(tmp_path):
    def optimizer(parameters):
        weight, bias = parameters
        return SGD([{"params": [weight]}, {"params": [bias], "lr": 0.01}], lr=0.1)

    _, used = swept(tmp_path, optimizer=optimizer)
    for weight_rate, bias_rate in used:
        assert bias_rate == pytest.approx(weight_rate / 10)


class Exploding(nn.Linear):
    """A net whose output is no number once it has moved from its first weights, which are 0.5 at most."""

    def forward(self, x_BD):
        """Return logits, or NaN."""
        return super().forward(x_BD) * (torch.nan if self.weight.abs().max() > 0.55 else 1)


@pytest.mark.parametrize("net", [nn.Linear(4, 3), Exploding(4, 3)], ids=["diverges", "nan"])
def test_a_loss_that_explodes_ends_the_test_and_leaves_finite_numbers(net, tmp_path):
    test, _ = swept(tmp_path, net=net, low=1e-3, high=1e9, steps=60)
    assert len(test.rates) == len(test.losses) < 60
    assert np.isfinite(test.losses).all()


def test_with_accumulation_the_batches_of_a_step_share_its_rate(tmp_path):
    test, _ = swept(tmp_path, settings={"accumulate_grad_batches": 2}, low=1e-4, high=1e-2, steps=6)
    np.testing.assert_allclose(list(dict.fromkeys(test.rates)), np.geomspace(1e-4, 1e-2, 6), rtol=1e-9)
    assert len(test.losses) > 6


@pytest.mark.parametrize("steepest", [1e-3, 0.05])
def test_the_suggestion_is_the_steepest_point_of_a_noisy_fall_and_not_of_a_later_one(steepest):
    rates = np.geomspace(1e-6, 10, 200)
    losses = 1.0 + 1 / (1 + (rates / steepest) ** 2) + np.where(rates > 1, 5.0, 0.0) - np.where(rates > 5, 4.0, 0.0)
    noise = np.random.default_rng(0).normal(0, 0.01, 200)
    found = suggest(rates.tolist(), (losses + noise).tolist())
    assert abs(np.log10(found / steepest)) < 0.15  # of a factor of 10


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 2.0, 3.0, 4.0]])
def test_where_no_rate_makes_the_loss_fall_there_is_no_suggestion(losses):
    with pytest.raises(ValueError, match="no learning rate"):
        suggest(np.geomspace(1e-6, 1, len(losses)).tolist(), losses)


def test_smoothing_neither_shifts_nor_shortens_a_line():
    line = np.linspace(3, 1, 100)
    assert len(smooth(line.tolist())) == 100
    np.testing.assert_allclose(smooth(line.tolist())[5:-5], line[5:-5])
