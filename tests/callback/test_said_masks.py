"""What is kept of a test of masks is counted by hand here, and its pictures are drawn from it."""

import csv
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix, jaccard_score
from torch import nn

from src.callback.draw import draw
from src.callback.predictions import Predictions
from src.data.dataset import dataset
from src.data.module import Data
from src.fit.segments import Segments
from src.model.supervised import Supervised
from src.plot.mask_rows import coloured, palette
from src.task.segmentation import IGNORED, PixelCrossEntropy, Segmentation
from tests import toy

NAMES = ["none", "dark", "light"]


def images(*, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey images whose pixels nearly tell their class; some do not count."""
    random = torch.Generator().manual_seed(len(split))
    mask_NHW = torch.randint(3, (12, 4, 6), generator=random)
    image_N1HW = (80 * mask_NHW[:, None] + torch.randint(90, (12, 1, 4, 6), generator=random)).to(torch.uint8)
    return image_N1HW, mask_NHW.masked_fill(torch.rand(12, 4, 6, generator=random) < 0.1, IGNORED)


def data() -> Data:
    facts = {"shape": (1, 4, 6), "classes": NAMES, "task": "segmentation", "batch_size": 5, "horizontal_flip": True}
    return dataset()(images)(**facts, val_fraction=0.25, crop_padding=1)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Supervised]:
    """A model that was fitted for some epochs and tested, and its folder."""
    folder = tmp_path_factory.mktemp("masks")
    task = Segmentation(outputs=3, loss=PixelCrossEntropy(), metrics=["miou", "accuracy"])
    torch.manual_seed(0)
    model = Supervised(nn.Conv2d(1, 3, 1), task=task, optimizer=partial(torch.optim.Adam, lr=0.3))
    trainer = toy.trainer(folder, callbacks=[Predictions(str(folder / "predictions"))], max_epochs=6)
    trainer.fit(model, made := data())
    trainer.test(model, made, verbose=False)
    return folder, model


def said(model: Supervised) -> tuple[np.ndarray, np.ndarray]:
    """The net's class of each test pixel, and the true one."""
    image_N1HW, target_NHW = images(split="test")
    with torch.no_grad():
        return model.eval().net(image_N1HW / 255).argmax(dim=1).numpy(), target_NHW.numpy()


def test_each_row_has_the_scores_of_its_image(tested: tuple[Path, Supervised]) -> None:
    folder, model = tested
    label_NHW, target_NHW = said(model)
    with (folder / "predictions" / "masks_test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(12))
    for row, label_HW, target_HW in zip(rows, label_NHW, target_NHW, strict=True):
        label_P, target_P = label_HW[target_HW != IGNORED], target_HW[target_HW != IGNORED]
        present = np.unique(target_P)
        assert float(row["iou"]) == pytest.approx(jaccard_score(target_P, label_P, labels=present, average="macro"))
        assert float(row["accuracy"]) == pytest.approx((label_P == target_P).mean())
        assert [float(row[f"share({name})"]) for name in NAMES] == pytest.approx(
            [(label_HW == k).mean() for k in range(3)]
        )
        assert [float(row[f"true({name})"]) for name in NAMES] == pytest.approx(
            [(target_P == k).mean() for k in range(3)]
        )


def test_the_worst_images_are_kept_whole_and_all_pixels_are_counted(tested: tuple[Path, Supervised]) -> None:
    folder, model = tested
    label_NHW, target_NHW = said(model)
    with np.load(folder / "predictions" / "masks.npz") as kept:
        counted = target_NHW != IGNORED
        np.testing.assert_array_equal(kept["counts"], confusion_matrix(target_NHW[counted], label_NHW[counted]))
        np.testing.assert_array_equal(kept["labels"], label_NHW[kept["rows"]])
        np.testing.assert_array_equal(kept["targets"], target_NHW[kept["rows"]])
        assert (np.diff(kept["scores"]) >= 0).all()
        stored = images(split="test")[0].numpy()[kept["rows"], 0] / 255
        np.testing.assert_allclose(kept["images"][..., 0], stored, atol=1e-6)


def test_the_pictures_are_drawn_from_the_files(
    tested: tuple[Path, Supervised], caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = tested
    assert {path.stem for path in draw(folder)} == {"masks", "class_iou", "confusion"}
    assert "is not drawn: N" not in caplog.text


def test_predict_writes_masks_that_are_class_numbers_in_colours(tmp_path: Path) -> None:
    label_BHW = torch.tensor([[[0, 1], [2, 2]], [[0, 0], [1, 0]], [[2, 2], [2, 2]]])
    written = Segments(tmp_path / "masks", NAMES)
    written.target(torch.tensor([[0, 1], [1, IGNORED]]))
    first, second, third = written.rows(label_BHW, ["a/cat 1.jpg", "b/cat 1.jpg", "test/17"])
    assert first == {
        "accuracy": pytest.approx(2 / 3),
        "share(none)": 0.25,
        "share(dark)": 0.25,
        "share(light)": 0.5,
        "mask": str(tmp_path / "masks" / "cat_1.png"),
    }
    assert Path(second["mask"]).name == "cat_1_1.png"
    assert Path(third["mask"]).name == "test_17.png"
    with Image.open(second["mask"]) as image:
        np.testing.assert_array_equal(np.asarray(image), label_BHW[1])
        np.testing.assert_allclose(
            np.asarray(image.convert("RGB")) / 255, coloured(label_BHW[1].numpy(), 3), atol=0.003
        )
    assert written.columns(has_target=True)[:2] == ["path", "accuracy"]


@pytest.mark.parametrize("classes", [2, 21, 255])
def test_no_two_classes_have_one_colour(classes: int) -> None:
    assert len(np.unique(palette(classes), axis=0)) == classes
    assert not palette(classes)[0].any()


def test_scores_of_a_resumed_epoch_are_those_of_a_whole_one() -> None:
    """The meter's progress is plain tensors of bytes, and gives the same bits."""
    from src.model.meter import Meter

    task = Segmentation(outputs=3, loss=PixelCrossEntropy(), metrics=["miou", "dice"])
    logits_BKHW, (_, target_BHW) = torch.randn(12, 3, 4, 6), images(split="test")
    whole, first, second = Meter(task), Meter(task), Meter(task)
    parts = [
        (task.loss(logits_BKHW[rows], target_BHW[rows]), logits_BKHW[rows], task.label(target_BHW[rows]))
        for rows in (slice(5), slice(5, 9), slice(9, 12))
    ]
    for part in parts:
        whole.add(*part)
    for part in parts[:2]:
        first.add(*part)
    second.resume(first.progress())
    second.add(*parts[2])
    assert {name: value.item() for name, value in whole.compute().items()} == {
        name: value.item() for name, value in second.compute().items()
    }
