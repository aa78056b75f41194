"""Every metric that can be named has the right value without a class and of one sample, or a line why it has none."""

import logging
import math
import re
import warnings
from functools import partial
from typing import Any

import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn
from torchmetrics.classification import (
    MulticlassAUROC,
    MulticlassAveragePrecision,
    MulticlassRecall,
    MulticlassSpecificity,
)

from src.model.meter import Meter
from src.task import binary, multiclass, multilabel, regression, segmentation
from src.task.metric import snake_case
from src.task.task import Task
from tests import toy

MODULES: dict[str, Any] = {"Multiclass": multiclass, "Binary": binary, "Regression": regression}
MODULES |= {"Multilabel": multilabel, "Segmentation": segmentation}
LOGITS_KK = 20 * torch.eye(3)
# Of a perfect net: outputs and labels without a class, or without variation, and of one sample.
SCANT = {
    "Multiclass": {"absent": (LOGITS_KK[[0, 1, 0, 1]], [0, 1, 0, 1]), "alone": (LOGITS_KK[[2]], [2])},
    "Binary": {"absent": (torch.tensor([-20.0, -20.0]), [0, 0]), "alone": (torch.tensor([20.0]), [1])},
    "Regression": {"absent": (torch.tensor([0.3, 0.3]), [0.3, 0.3]), "alone": (torch.tensor([0.9]), [0.9])},
}


def row_of(*numbers: int) -> Tensor:
    """The logits (1, K, 1, W) of an image of one row of pixels."""
    return LOGITS_KK[list(numbers)].T[None, :, None]


SCANT["Multilabel"] = {
    "absent": (torch.tensor([[20.0, -20.0, -20.0], [-20.0, -20.0, 20.0]]), [[1, 0, 0], [0, 0, 1]]),
    "alone": (torch.tensor([[20.0, -20.0, -20.0]]), [[1, 0, 0]]),
    "none": (torch.full((2, 3), -20.0), [[0, 0, 0]] * 2),
    "all": (torch.full((2, 3), 20.0), [[1, 1, 1]] * 2),
}
SCANT["Segmentation"] = {
    "absent": (row_of(0, 2, 1), [[[0, 2, 255]]]),
    "alone": (row_of(0, 1), [[[0, 255]]]),
    "none": (row_of(0, 1), [[[255, 255]]]),
}
SCANT["Binary"] |= {"absent 0": (torch.tensor([20.0, 20.0]), [1, 1])}


def task(kind: str, name: str) -> Task:
    outputs = 1 if kind in ("Binary", "Regression") else 3
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*will save all targets.*")
        made: Task = getattr(MODULES[kind], kind)(outputs=outputs, loss=nn.Identity(), metrics=[name])
    return made


def names(kind: str) -> list[tuple[str, str]]:
    """The names of the metrics that the task takes; the others are refused."""
    taken = []
    for name in map(snake_case, MODULES[kind].METRICS):
        try:
            task(kind, name)
        except ValueError:
            continue
        taken.append((kind, name))
    return taken


def scored(kind: str, name: str, output: Tensor, label_N: Tensor) -> tuple[float | None, str]:
    meter = Meter(task(kind, name))
    meter.add(torch.tensor(0.0), output, label_N)
    value = meter.compute().get(name)
    return None if value is None else value.item(), meter.notes.get(name, "")


@pytest.mark.parametrize(("kind", "name"), [pair for kind in MODULES for pair in names(kind)])
def test_a_perfect_net_has_a_perfect_score_or_a_line_that_says_why_it_has_none(kind: str, name: str) -> None:
    for output, labels in SCANT[kind].values():
        value, note = scored(kind, name, output, torch.tensor(labels))
        if value is None:
            assert note.startswith("no score: ")
        elif name in ("hinge_loss", "coverage_error"):  # which are no 0 for a perfect net
            assert math.isfinite(value)
        else:
            is_better_higher = task(kind, name).metrics[name].higher_is_better is not False and name != "eer"
            best = 0.0 if not is_better_higher or "deviance" in name else 1.0
            assert value == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("Binary", "confusion_matrix", "which is 4 numbers and no score: leave it out"),
        ("Multiclass", "roc", "which is a tuple and no score: leave it out"),
        ("Multiclass", "f_beta_score", "which cannot be made from its name alone"),
        ("Regression", "kl_divergence", "which cannot score this task (Expected both p and q distribution to be 2D"),
    ],
)
def test_what_is_no_score_is_refused_where_the_task_is_made(kind: str, name: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        task(kind, name)


def test_most_metrics_can_be_named() -> None:
    assert {kind: len(names(kind)) for kind in MODULES} == {
        "Multiclass": 17,
        "Binary": 16,
        "Regression": 16,
        "Multilabel": 17,
        "Segmentation": 12,
    }


@pytest.mark.parametrize("present", [(0, 1), (1, 2), (0, 2)])
def test_the_mean_is_over_the_classes_that_have_samples(present: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    logits_NK = torch.randn(40, 3, generator=random)
    label_N = torch.tensor(present)[torch.randint(2, (40,), generator=random)]
    p_NK, top_N = logits_NK.softmax(dim=1), logits_NK.argmax(dim=1)
    of_each = {
        "auroc": [metrics.roc_auc_score(label_N == k, p_NK[:, k]) for k in present],
        "average_precision": [metrics.average_precision_score(label_N == k, p_NK[:, k]) for k in present],
        "recall": [(top_N[label_N == k] == k).float().mean().item() for k in present],
        "specificity": [(top_N[label_N != k] != k).float().mean().item() for k in present],
    }
    (absent,) = {0, 1, 2} - set(present)
    for name, values in of_each.items():
        value, note = scored("Multiclass", name, logits_NK, label_N)
        assert value == pytest.approx(sum(values) / 2, rel=1e-5)
        assert note.endswith(f"not {absent}")


def test_where_every_class_has_samples_the_bits_are_torchmetrics() -> None:
    logits_NK = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    label_N = torch.arange(50) % 3
    theirs = {
        "auroc": MulticlassAUROC,
        "average_precision": MulticlassAveragePrecision,
        "recall": MulticlassRecall,
        "specificity": MulticlassSpecificity,
    }
    for name, metric in theirs.items():
        value, note = scored("Multiclass", name, logits_NK, label_N)
        assert (value, note) == (metric(num_classes=3)(logits_NK.softmax(dim=1), label_N).item(), "")


def test_a_run_says_once_what_has_no_score_and_logs_no_number_for_it(tmp_path, caplog) -> None:
    data = toy.tabular(outputs=2, task="binary", test=4, batch_size=4, val_fraction=0.2)
    data.collection.read = lambda *, split: (torch.randn(20, 4), torch.zeros(20, dtype=torch.long))
    points = toy.Points()
    made = {"outputs": 1, "loss": nn.BCEWithLogitsLoss(), "optimizer": partial(torch.optim.SGD, lr=0.1)}
    made["metrics"] = ["auroc", "accuracy"]
    trainer = toy.trainer(tmp_path, max_epochs=3, logger=points)
    with caplog.at_level(logging.INFO, logger="src.model.scores"):
        trainer.fit(toy.binary(nn.Linear(4, 1), **made), data)
    assert caplog.messages.count("val/auroc: no score: there are no samples of class 1") == 1
    assert "val/auroc" not in trainer.callback_metrics
    assert "val/accuracy" in trainer.callback_metrics
    assert points.of("val/auroc") == []


def test_a_metric_is_tried_where_the_net_is_built_without_memory_too() -> None:
    with torch.device("meta"):
        assert list(task("Multiclass", "auroc").metrics) == ["auroc"]
        with pytest.raises(ValueError, match="which is a tuple and no score"):
            task("Multiclass", "roc")
