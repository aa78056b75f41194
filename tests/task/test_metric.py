"""A metric is found by its name in snake case, and a name that is none is refused with the nearest."""

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn

from src.model.meter import Meter
from src.task.binary import Binary
from src.task.multiclass import Multiclass
from tests import toy


def model(task, name):
    settings = {"loss": nn.Identity(), "optimizer": torch.optim.SGD, "metrics": [name]}
    return toy.supervised(task, nn.Linear(4, 3), outputs=3, **settings)


@pytest.mark.parametrize("name", ["f1", "f1_score", "auroc", "accuracy", "calibration_error", "precision", "recall"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_metric_is_named_by_one_word(task, name):
    trained = model(task, name)
    assert trained.score_names == tuple(f"{s}/{n}" for s in ("train", "val", "test") for n in ("loss", name))


@pytest.mark.parametrize(
    ("task", "wrong", "near"),
    [("multiclass", "acuracy", "accuracy"), ("binary", "f1_scor", "f1"), ("regression", "mean_absolut_error", "mean")],
)
def test_a_wrong_metric_name_suggests_the_nearest(task, wrong, near):
    with pytest.raises(ValueError, match=rf"model\.metrics names '{wrong}'.*did you mean {near}"):
        model(task, wrong)


def test_the_suggested_metric_name_works():
    with pytest.raises(ValueError, match="did you mean ") as error:
        model("multiclass", "calibraton_eror")
    model("multiclass", str(error.value).split("did you mean ")[1].rstrip("?"))


def test_a_metric_that_needs_more_than_its_name_is_refused():
    with pytest.raises(ValueError, match=r"model\.metrics names 'fbeta', which cannot be made from its name alone"):
        model("multiclass", "fbeta")


@pytest.mark.parametrize("classes", [2, 4])
def test_balanced_accuracy_is_scikit_learns(classes: int) -> None:
    draw = torch.Generator().manual_seed(classes)
    label_N = torch.randint(classes, (60,), generator=draw).clamp(min=0) * (torch.rand(60, generator=draw) < 0.6).long()
    output = torch.randn(60, classes if classes > 2 else 1, generator=draw)
    kind, outputs = (Multiclass, classes) if classes > 2 else (Binary, 1)
    task = kind(outputs=outputs, loss=nn.Identity(), metrics=["balanced_accuracy"])
    meter = Meter(task)
    meter.add(torch.tensor(0.0), task.output(output), label_N)
    said_N = output.argmax(dim=1) if classes > 2 else (output[:, 0] > 0).long()
    expected = balanced_accuracy_score(label_N, said_N)
    assert meter.compute()["balanced_accuracy"].item() == pytest.approx(expected, abs=1e-6)
