"""A metric goes on from its state, by torchmetrics' private names and, under another version of it, without them."""

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.aggregation import MeanMetric
from torchmetrics.classification import MulticlassAUROC, MulticlassF1Score

from src.task import metric_state
from src.task.metric_state import forget, set_state, state_of, updates

K = 3
METRICS = [MulticlassF1Score(K), MulticlassAUROC(K), MeanMetric()]  # sums, lists, a state with weights

ways = pytest.mark.parametrize("verified", [metric_state.VERIFIED, ("0.",)], ids=["private", "plain"])


@pytest.fixture(autouse=True)
def way(verified: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_state, "VERIFIED", verified)


def given(metric: Metric, count: int) -> list[tuple[Tensor, ...]]:
    random = torch.Generator().manual_seed(0)
    draw = [(torch.randn(8, K, generator=random).softmax(1), torch.arange(8) % K) for _ in range(count)]
    return [(x[:, 0],) for x, _ in draw] if isinstance(metric, MeanMetric) else list(draw)


@ways
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_a_metric_that_goes_on_gives_the_score_of_all_it_and_the_one_before_saw(metric: Metric) -> None:
    first, second, whole = metric.clone(), metric.clone(), metric.clone()
    batches = given(metric, 5)
    for number, batch in enumerate(batches):
        (first if number < 3 else second).update(*batch)
        whole.update(*batch)
        if number == 2:
            first.compute()  # a score that is kept must not be given for another state
            taken = state_of(first)
            second.compute() if updates(second) else None
            set_state(second, taken)
    assert updates(second) == 5
    torch.testing.assert_close(second.compute(), whole.compute(), rtol=0, atol=0)


@ways
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_states_of_several_processes_are_those_of_all_samples(metric: Metric) -> None:
    ranks, whole, joined = [metric.clone() for _ in range(3)], metric.clone(), metric.clone()
    for number, batch in enumerate(given(metric, 4)):
        ranks[number % 2].update(*batch)  # the third saw nothing
        whole.update(*batch)
    set_state(joined, *map(state_of, ranks))
    assert updates(joined) == 4
    torch.testing.assert_close(joined.compute(), whole.compute())


@ways
def test_a_state_that_was_taken_stays_what_it_was(verified: tuple[str, ...]) -> None:
    metric = MulticlassAUROC(K)
    first, second = given(metric, 2)
    metric.update(*first)
    taken = state_of(metric)
    expected = metric.compute()
    metric.update(*second)
    set_state(metric, taken)
    torch.testing.assert_close(metric.compute(), expected, rtol=0, atol=0)


@ways
def test_what_is_forgotten_was_never_seen(verified: tuple[str, ...]) -> None:
    metric = MeanMetric()
    metric.update(1.0)
    other = MeanMetric()
    set_state(other, state_of(metric))
    forget(other)
    assert updates(other) == 0
    other.update(5.0)
    assert other.compute() == 5
