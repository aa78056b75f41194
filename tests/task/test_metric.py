"""A metric is found by its name in snake case, and a name that is none is refused with the nearest."""

import pytest
import torch
from torch import nn

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
