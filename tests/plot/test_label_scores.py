"""What stands on the bars is scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from src.plot.label_scores import average_precision, bars, label_scores


def sets(samples: int, labels: int, *, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    target_NK = random.random((samples, labels)) < 0.3
    probability_NK = np.round(0.6 * random.random((samples, labels)) + 0.4 * target_NK, steps)
    return target_NK, probability_NK > 0.5, probability_NK


@pytest.mark.parametrize("digits", [1, 8])  # of probabilities: one digit makes many of them equal
def test_each_score_is_scikit_learns(digits: int) -> None:
    target_NK, label_NK, probability_NK = sets(80, 5, steps=digits)
    found_K4 = label_scores(target_NK, label_NK, probability_NK)
    for column, score in enumerate((metrics.f1_score, metrics.precision_score, metrics.recall_score)):
        np.testing.assert_allclose(found_K4[:, column], score(target_NK, label_NK, average=None, zero_division=0))
    expected = metrics.average_precision_score(target_NK, probability_NK, average=None)
    np.testing.assert_allclose(found_K4[:, 3], expected)


def test_a_label_that_no_sample_has_has_no_score_and_no_bar() -> None:
    target_NK, label_NK, probability_NK = sets(40, 3, steps=8)
    target_NK[:, 1] = False
    scores_K4 = label_scores(target_NK, label_NK, probability_NK)
    assert np.isnan(scores_K4[1]).all()
    assert np.isnan(average_precision(target_NK[:, 1], probability_NK[:, 1]))
    axes = bars(scores_K4, target_NK.sum(axis=0), ["a", "$b$", "c"], split="test").axes[0]
    assert len(axes.patches) == 2
    assert axes.get_title(loc="left") == f"test: 2 labels, mean F1 {scores_K4[[0, 2], 0].mean():.3f}"
