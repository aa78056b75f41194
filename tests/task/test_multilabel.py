"""A sample has any number of labels, each told by itself; scores are those of scikit-learn."""

import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn

from src.model.meter import Meter
from src.task.class_weights import balanced
from src.task.multilabel import Multilabel

NAMES = ("f1", "average_precision", "auroc", "exact_match", "accuracy", "precision", "recall")


def task(outputs: int = 4, **settings: object) -> Multilabel:
    return Multilabel(outputs=outputs, loss=nn.BCEWithLogitsLoss(), **settings)  # type: ignore[arg-type]


def scores(logits_NK: Tensor, labels_NK: Tensor, **settings: object) -> tuple[dict[str, float], dict[str, str]]:
    meter = Meter(task(labels_NK.shape[1], metrics=NAMES, **settings))
    meter.add(torch.tensor(0.0), logits_NK, labels_NK)
    return {name: value.item() for name, value in meter.compute().items()}, meter.notes


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_the_scores_are_scikit_learns(threshold: float) -> None:
    random = torch.Generator().manual_seed(0)
    labels_NK = (torch.rand(60, 4, generator=random) < torch.tensor([0.1, 0.3, 0.5, 0.9])).long()
    logits_NK = torch.randn(60, 4, generator=random) + labels_NK
    p_NK, given_NK = logits_NK.sigmoid(), (logits_NK.sigmoid() > threshold).long()
    found, notes = scores(logits_NK, labels_NK, threshold=threshold)
    expected = {
        "f1": metrics.f1_score(labels_NK, given_NK, average="macro", zero_division=0),
        "precision": metrics.precision_score(labels_NK, given_NK, average="macro", zero_division=0),
        "recall": metrics.recall_score(labels_NK, given_NK, average="macro"),
        "average_precision": metrics.average_precision_score(labels_NK, p_NK, average="macro"),
        "auroc": metrics.roc_auc_score(labels_NK, p_NK, average="macro"),
        "exact_match": metrics.accuracy_score(labels_NK, given_NK),
        "accuracy": 1 - metrics.hamming_loss(labels_NK, given_NK),
    }
    assert {name: found[name] for name in NAMES} == pytest.approx(expected, rel=1e-5)
    assert notes == {}


def test_a_label_that_no_sample_has_is_left_out_of_the_mean_with_a_line() -> None:
    labels_NK = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 0, 1]])
    found, notes = scores(20.0 * (2 * labels_NK - 1), labels_NK)
    assert found["f1"] == found["auroc"] == 1
    assert notes["f1"] == "a score of a part: the mean over the labels that have one, not 1"
    assert notes["auroc"].endswith("not 1, 2")
    assert "exact_match" not in notes


def test_the_loss_is_binary_cross_entropy_of_each_label() -> None:
    made, logits_BK = task(3), torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    labels_BK = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]])
    p_BK = logits_BK.double().sigmoid()
    expected = -torch.where(labels_BK == 1, p_BK, 1 - p_BK).log().mean()
    torch.testing.assert_close(made.loss(logits_BK, made.target(labels_BK)).double(), expected)


def test_targets_of_another_form_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"targets have shape \[5\], and 4 labels need a 0 or 1 each, \[5, 4\]"):
        task().target(torch.arange(5))


@pytest.mark.parametrize("threshold", [0, 1, -0.1, 1.5])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=f"model.threshold={threshold}"):
        task(threshold=threshold)


def test_mixed_samples_count_as_what_the_larger_part_is() -> None:
    assert task(2).label(torch.tensor([[0.7, 0.3], [0.0, 1.0]])).tolist() == [[1, 0], [0, 1]]


def test_class_weights_weigh_the_labels_that_a_sample_has() -> None:
    made = task(2, class_weights=[3.0, 1.0])
    weighed = made.loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert weighed.item() == pytest.approx((3 + 1) * torch.tensor(2.0).log().item() / 2)
    assert balanced(torch.tensor([10, 0, 30])).tolist() == pytest.approx([4 / 3, 0, 4 / 9])
