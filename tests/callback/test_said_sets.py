"""The file of a test of several labels says what the net says, and its pictures are drawn from it."""

from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from src.callback.draw import draw
from src.callback.predictions import Predictions
from src.data.dataset import dataset
from src.data.module import Data
from src.fit.forms import Sets
from src.model.supervised import Supervised
from src.run.prediction_table import read
from src.task.multilabel import Multilabel
from tests import toy

NAMES = ["=a", "b|c", "d"]


def images(*, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey images in which each label is a bright column."""
    random = torch.Generator().manual_seed(len(split))
    label_NK = torch.randint(2, (30, 3), generator=random)
    image_N1HW = torch.randint(90, (30, 1, 3, 3), generator=random)
    return (image_N1HW + 90 * label_NK[:, None, None]).to(torch.uint8), label_NK


def data() -> Data:
    facts = {"shape": (1, 3, 3), "classes": NAMES, "task": "multilabel", "batch_size": 8}
    return dataset()(images)(**facts, val_fraction=0.2)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Supervised, Data]:
    """A model that was fitted for an epoch and tested, and its folder."""
    folder = tmp_path_factory.mktemp("sets")
    task = Multilabel(outputs=3, loss=nn.BCEWithLogitsLoss(), metrics=["f1", "exact_match"], threshold=0.4)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 3))
    model = Supervised(net, task=task, optimizer=partial(torch.optim.SGD, lr=0.5))
    trainer = toy.trainer(folder, callbacks=[Predictions(str(folder / "predictions"))])
    trainer.fit(model, made := data())
    trainer.test(model, made, verbose=False)
    return folder, model, made


def test_each_row_is_what_the_net_says_of_its_sample(tested: tuple[Path, Supervised, Data]) -> None:
    folder, model, _ = tested
    said, (image_NCHW, label_NK) = read(folder / "predictions" / "test.csv"), images(split="test")
    with torch.no_grad():
        p_NK = model.eval().net(image_NCHW / 255).sigmoid().numpy()
    np.testing.assert_allclose(said.probability, p_NK, atol=1e-6)
    np.testing.assert_array_equal(said.target, label_NK.numpy() == 1)
    np.testing.assert_array_equal(said.prediction, p_NK > 0.4)
    assert said.classes == NAMES
    assert said.has_sets


def test_the_images_kept_are_those_with_the_largest_error(tested: tuple[Path, Supervised, Data]) -> None:
    folder, *_ = tested
    said = read(folder / "predictions" / "test.csv")
    wrong_NK = said.target != said.prediction
    error_N = (np.abs(said.probability - said.target) * wrong_NK).max(axis=1)
    with np.load(folder / "predictions" / "mistakes.npz") as kept:
        np.testing.assert_allclose(error_N[kept["rows"]], np.sort(error_N[wrong_NK.any(axis=1)])[::-1][:25])
        np.testing.assert_array_equal(kept["images"][0, ..., 0], images(split="test")[0][kept["rows"][0], 0])


def test_the_pictures_are_drawn_from_the_files(tested: tuple[Path, Supervised, Data], caplog) -> None:
    folder, *_ = tested
    assert {path.stem for path in draw(folder)} >= {"labels", "mistakes"}
    assert "is not drawn" not in caplog.text


def test_rows_of_predict_have_both_sets_and_a_probability_per_label(tested: tuple[Path, Supervised, Data]) -> None:
    _, model, _ = tested
    said, p_K = Sets(model, NAMES), [0.39, 0.41, 0.9]
    (row,) = said.rows(torch.tensor([p_K], dtype=torch.float64), ["a"])
    assert row == {"labels": NAMES[1:], "probabilities": dict(zip(NAMES, p_K, strict=True))}
    assert said.target(torch.tensor([1, 0, 1])) == {"target": list(compress(NAMES, [1, 0, 1]))}
    assert said.columns(has_target=True) == ["path", "target", "labels", *(f"P({name})" for name in NAMES), "error"]
