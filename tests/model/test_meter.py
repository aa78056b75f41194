"""A meter's scores are those of all samples at once, in bounded memory."""

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAUROC, MulticlassF1Score

from src.model.meter import MAX_PENDING, Meter
from src.task.multiclass import Multiclass
from src.task.regression import Regression

K = 3
Batch = tuple[Tensor, Tensor, Tensor]


def meter() -> Meter:
    return Meter(Multiclass(outputs=K, loss=nn.CrossEntropyLoss(), metrics=["f1", "auroc"]))


def batches(count: int, *, seed: int = 0) -> list[Batch]:
    """Batches of 6 to 12 samples, with every class in each."""
    random = torch.Generator().manual_seed(seed)
    made = []
    for size in torch.randint(6, 13, (count,), generator=random).tolist():
        logits_BK, target_B = torch.randn(size, K, generator=random), torch.arange(size) % K
        made.append((nn.functional.cross_entropy(logits_BK, target_B), logits_BK, target_B))
    return made


def at_once(given: list[Batch]) -> dict[str, Tensor]:
    logits_NK, target_N = (torch.cat(parts) for parts in list(zip(*given, strict=True))[1:])
    scores = {"loss": nn.functional.cross_entropy(logits_NK, target_N)}
    for name, metric in (("f1", MulticlassF1Score(K)), ("auroc", MulticlassAUROC(K))):
        scores[name] = metric(logits_NK.softmax(dim=1), target_N)
    return scores


@pytest.mark.parametrize("count", [1, 7, MAX_PENDING - 1, MAX_PENDING, MAX_PENDING + 1, 2 * MAX_PENDING + 30])
@pytest.mark.parametrize("look_every", [None, 3])
def test_compute_gives_the_scores_of_all_samples_at_once(count, look_every):
    mine, given = meter(), batches(count)
    for number, batch in enumerate(given):
        mine.add(*batch)
        if look_every and number % look_every == 0:
            mine.flush()
    torch.testing.assert_close(mine.compute(), at_once(given), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("every", [1, 5, MAX_PENDING, MAX_PENDING + 20])
def test_flush_gives_the_scores_since_the_last_flush_however_long_ago_it_is(every):
    mine, given = meter(), batches(3 * every)
    for start in range(0, 3 * every, every):
        for batch in given[start : start + every]:
            mine.add(*batch)
        torch.testing.assert_close(mine.flush(), at_once(given[start : start + every]), rtol=1e-5, atol=1e-6)


def test_pending_batches_are_bounded():
    mine, most = meter(), 0
    for batch in batches(3 * MAX_PENDING):
        mine.add(*batch)
        most = max(most, len(mine._pending))
    assert most < MAX_PENDING


@pytest.mark.parametrize("seen", [0, 1, 40, MAX_PENDING, MAX_PENDING + 30])
@pytest.mark.parametrize("flushed", [None, 20])
def test_a_meter_that_goes_on_from_a_file_gives_the_same_bits(seen, flushed, tmp_path):
    whole, given = meter(), batches(MAX_PENDING + 60)
    for number, batch in enumerate(given[:seen]):
        whole.add(*batch)
        if number == flushed:
            whole.flush()
    torch.save(whole.progress(), tmp_path / "progress")
    resumed = meter()
    resumed.resume(torch.load(tmp_path / "progress", weights_only=True))
    for batch in given[seen:]:
        whole.add(*batch)
        resumed.add(*batch)
    for ours, theirs in ((resumed.flush(), whole.flush()), (resumed.compute(), whole.compute())):
        assert {name: value.item() for name, value in ours.items()} == {n: v.item() for n, v in theirs.items()}


def test_nothing_added_gives_no_scores_and_no_warning():
    mine = meter()
    assert mine.flush() == {}
    assert mine.compute() == {}
    mine.add(*batches(1)[0])
    mine.flush()
    assert mine.flush() == {}


def test_reset_forgets_everything():
    mine, old, new = meter(), batches(5), batches(5, seed=1)
    for batch in old:
        mine.add(*batch)
    mine.flush()
    mine.add(*old[0])
    mine.reset()
    assert mine.compute() == {}
    assert mine.flush() == {}
    for batch in new:
        mine.add(*batch)
    torch.testing.assert_close(mine.compute(), at_once(new), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(mine.flush(), at_once(new), rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_nan_stays_nan():
    mine, given = meter(), batches(3)
    given[1] = (torch.tensor(float("nan")), *given[1][1:])
    for batch in given:
        mine.add(*batch)
    assert mine.compute()["loss"].isnan()


def test_a_meter_adds_nothing_to_a_checkpoint():
    mine = meter()
    mine.add(*batches(1)[0])
    mine.compute()
    assert mine.state_dict() == {}


def test_without_metrics_there_is_the_loss():
    mine, given = Meter(Regression(outputs=1, loss=nn.MSELoss())), batches(4)
    for batch in given:
        mine.add(*batch)
    torch.testing.assert_close(mine.compute(), {"loss": at_once(given)["loss"]})
    torch.testing.assert_close(mine.flush(), {"loss": at_once(given)["loss"]})
