"""Points of the curves cover each batch once; batches that BatchNorm cannot train on are refused in time."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from src.model.meter import MAX_PENDING
from src.model.supervised import Supervised
from tests import toy

# 72 training samples in batches of 10: 8 batches, the last one of 2
DATA = {"train": 80, "batch_size": 10, "val_fraction": 0.1}


def model(net: nn.Module | None = None, **settings: Any) -> Supervised:
    torch.manual_seed(0)
    optimizer = partial(torch.optim.SGD, lr=0.1)
    return toy.multiclass(
        net or nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=optimizer, **settings
    )


def bare(data: toy.Data, *, epochs: int, accumulate: int = 1) -> list[tuple[int, int, int, float]]:
    """Train as a bare loop does; return (epoch, optimizer steps done, samples, loss) of each batch."""
    net, seen, steps = model().net, [], 0
    data.setup("fit")
    optimizer, loader = torch.optim.SGD(net.parameters(), lr=0.1), data.train_dataloader()
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        for number, (x_BD, target_B) in enumerate(loader, start=1):
            loss = F.cross_entropy(net(x_BD), target_B)
            (loss / accumulate).backward()
            if number % accumulate == 0 or number == len(loader):
                optimizer.step()
                optimizer.zero_grad()
                steps += 1
            seen.append((epoch, steps, len(target_B), loss.item()))
    return seen


@pytest.mark.parametrize(
    ("every", "accumulate", "settings"),
    [
        (1, 1, {}),
        (3, 1, {}),
        (8, 1, {}),
        (50, 1, {}),
        (1, 3, {}),
        (2, 3, {}),
        (1, 8, {}),
        (3, 1, {"val_check_interval": 2}),
        (1, 1, {"num_sanity_val_steps": 2}),
    ],
)
def test_the_points_of_train_loss_cover_each_batch_exactly_once(tmp_path, every, accumulate, settings):
    points, epochs = toy.Points(), 3
    trainer = toy.trainer(
        tmp_path,
        max_epochs=epochs,
        log_every_n_steps=every,
        accumulate_grad_batches=accumulate,
        logger=points,
        **settings,
    )
    trainer.fit(model(), toy.tabular(**DATA))
    batches = bare(toy.tabular(**DATA), epochs=epochs, accumulate=accumulate)
    last = {epoch: max(steps for e, steps, *_ in batches if e == epoch) for epoch in range(epochs)}
    ends = sorted({step for step in range(1, trainer.global_step + 1) if step % every == 0} | set(last.values()))
    assert [step for step, _ in points.of("train/loss")] == ends
    start = 0
    for end, (_, value) in zip(ends, points.of("train/loss"), strict=True):
        covered = stepped(batches, start, end)
        mean = sum(samples * loss for samples, loss in covered) / sum(samples for samples, _ in covered)
        assert value == pytest.approx(mean, rel=1e-5)
        start = end


def stepped(batches: list[tuple[int, int, int, float]], start: int, end: int) -> list[tuple[int, float]]:
    """The (samples, loss) of the batches that the steps after `start` up to `end` are made of."""
    covered, waiting, done = [], [], 0
    for _, steps, samples, loss in batches:
        waiting.append((samples, loss))
        if steps > done:  # this batch completed a step
            covered += waiting if start < steps <= end else []
            waiting, done = [], steps
    return covered


@pytest.mark.parametrize(("every", "accumulate"), [(MAX_PENDING, 1), (MAX_PENDING + 20, 1), (MAX_PENDING // 2, 2)])
def test_points_far_apart_cover_each_batch_too(tmp_path, every, accumulate):
    data = {"train": 2 * every * accumulate + 30, "batch_size": 1, "val_fraction": 0.0}
    points = toy.Points()
    trainer = toy.trainer(tmp_path, log_every_n_steps=every, accumulate_grad_batches=accumulate, logger=points)
    trainer.fit(model(), toy.tabular(**data))
    batches = bare(toy.tabular(**data), epochs=1, accumulate=accumulate)
    got = points.of("train/loss")
    assert [step for step, _ in got] == [every, 2 * every, len(batches) // accumulate]
    size = every * accumulate
    for number, (_, value) in enumerate(got):
        losses = [loss for *_, loss in batches[number * size : (number + 1) * size]]
        assert value == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_every_score_is_logged_once_at_its_step(tmp_path):
    points = toy.Points()
    trainer = toy.trainer(tmp_path, max_epochs=2, log_every_n_steps=3, logger=points)
    trained, data = model(metrics=["accuracy", "f1"]), toy.tabular(**DATA)
    trainer.fit(trained, data)
    trainer.test(trained, data, verbose=False)
    assert [step for step, _ in points.of("val/loss")] == [8, 16]
    assert [step for step, _ in points.of("test/loss")] == [16]
    assert [step for step, _ in points.of("train/loss")] == [3, 6, 8, 9, 12, 15, 16]
    keys = [(step, name) for step, values in points.points for name in values if name != "epoch"]
    assert len(keys) == len(set(keys))
    assert {name for _, name in keys} == set(trained.score_names)
    assert [values["epoch"] for _, values in points.points if "train/loss" in values] == [0, 0, 0, 1, 1, 1, 1]


def test_a_second_fit_of_the_same_model_logs_the_same_steps(tmp_path):
    trained, logged = model(), []
    for _ in range(2):
        points = toy.Points()
        toy.trainer(tmp_path, log_every_n_steps=4, logger=points).fit(trained, toy.tabular(**DATA | {"train": 60}))
        logged.append([step for step, _ in points.of("train/loss")])
    assert logged == [[4, 6], [4, 6]]


def test_log_every_n_steps_zero_logs_at_the_ends_of_epochs_only(tmp_path):
    points = toy.Points()
    toy.trainer(tmp_path, max_epochs=2, log_every_n_steps=0, logger=points).fit(model(), toy.tabular(**DATA))
    assert [step for step, _ in points.of("train/loss")] == [8, 16]


def test_the_sanity_check_before_training_logs_nothing_and_leaves_val_alone(tmp_path):
    scores = []
    for steps in (0, 2):
        points = toy.Points()
        trainer = toy.trainer(tmp_path, num_sanity_val_steps=steps, logger=points)
        trainer.fit(model(), toy.tabular(**DATA))
        scores.append(points.of("val/loss"))
    assert len(scores[0]) == 1
    assert scores[0] == scores[1]


def test_a_run_stopped_by_max_steps_logs_and_publishes_what_it_did(tmp_path):
    points = toy.Points()
    trainer = toy.trainer(tmp_path, max_steps=5, log_every_n_steps=2, logger=points)
    trainer.fit(model(), toy.tabular(**DATA))
    batches = bare(toy.tabular(**DATA), epochs=1)[:5]
    assert [step for step, _ in points.of("train/loss")] == [2, 4, 5]
    mean = sum(loss for *_, loss in batches) / 5
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(mean, rel=1e-5)


def test_the_same_seed_trains_the_same_bits_and_another_seed_others(tmp_path):
    def weights(seed: int) -> torch.Tensor:
        trained = model()
        toy.trainer(tmp_path, max_epochs=2).fit(trained, toy.tabular(**DATA, seed=seed))
        return trained.net.weight.detach()

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))


# 41 training samples in batches of 10: the last one has a single sample
LONELY = {"train": 41, "batch_size": 10, "val_fraction": 0.0}


def fit(folder: Path, net: nn.Module, *, limits: dict[str, Any] | None = None, **data: Any) -> list[int]:
    """Train an epoch and return the sizes of its batches."""
    sizes: list[int] = []
    look = toy.Each(lambda trainer, batch: sizes.append(len(batch[1])))
    toy.trainer(folder, callbacks=[look], **limits or {}).fit(model(net), toy.tabular(**LONELY | data))
    return sizes


def test_batch_norm_with_a_last_batch_of_one_is_refused_before_the_first_step(tmp_path):
    net = normed()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=r"one sample.*set data\.drop_last=true"):
        fit(tmp_path, net)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_the_cure_that_the_refusal_names_works(tmp_path):
    assert fit(tmp_path, normed(), drop_last=True) == [10] * 4


def test_batch_norm_with_batches_of_one_is_told_to_enlarge_them(tmp_path):
    with pytest.raises(ValueError, match=r"set data\.batch_size=2"):
        fit(tmp_path, normed(), batch_size=1, drop_last=True)
    assert fit(tmp_path, normed(), batch_size=2, drop_last=True) == [2] * 20


def test_a_last_batch_of_one_that_is_left_out_anyway_is_no_reason_to_refuse(tmp_path):
    assert fit(tmp_path, normed(), limits={"limit_train_batches": 2}) == [10, 10]


def test_without_batch_norm_a_last_batch_of_one_trains(tmp_path):
    assert fit(tmp_path, nn.Linear(4, 3)) == [10] * 4 + [1]


def test_the_look_for_batch_norm_changes_no_random_number(tmp_path):
    weights = []
    for train in (41, 41):
        net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
        trained, data = model(net), toy.tabular(**LONELY | {"train": train})
        for parameter in net.parameters():
            nn.init.constant_(parameter, 0.1)
        if weights:
            trained.on_train_start = lambda: None  # type: ignore[method-assign]
        torch.manual_seed(1)
        toy.trainer(tmp_path).fit(trained, data)
        weights.append(net[0].weight.detach())
    assert torch.equal(*weights)


class Skips(Supervised):
    """Looks at no second batch."""

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        """Leave one out."""
        return None if batch_idx == 1 else super().test_step(batch, batch_idx)


def test_a_sample_that_is_not_counted_is_an_error(tmp_path):
    optimizer = partial(torch.optim.SGD, lr=0.1)
    made = {"outputs": 3, "loss": nn.CrossEntropyLoss(), "optimizer": optimizer}
    skips = toy.multiclass(nn.Linear(4, 3), cls=Skips, **made)
    with pytest.raises(RuntimeError, match="15 of 25 test samples were counted"):
        toy.trainer(tmp_path).test(skips, toy.tabular(test=25, batch_size=10), verbose=False)


@pytest.mark.parametrize(("scale_lr", "factor"), [("none", 1), ("linear", 4), ("sqrt", 2)])
def test_rates_grow_with_the_processes_as_they_are_told(scale_lr, factor):
    trained = model(scale_lr=scale_lr)
    trained._ranks = 4
    optimizer: Any = trained.configure_optimizers()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1 * factor]
    assert optimizer.defaults["lr"] == 0.1 * factor
