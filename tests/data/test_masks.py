"""A mask stays with its image whatever is done to it, its pixels stay classes, and bad masks are one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from src.config.build import build
from src.config.plain import fill, plain
from src.data.dataset import dataset
from src.data.module import Data
from src.data.read.masks import facts
from src.data.transform.prepare import Augment, fit, generator, resize
from src.task.segmentation import IGNORED
from tests.config.test_groups import composed

H, W = 12, 16


def number_of(row: int) -> np.ndarray:
    """The classes 0, 1, 2 of an image's pixels: a block of 1 and one of 2, elsewhere for each image."""
    mask_HW = np.zeros((H, W), dtype=np.uint8)
    mask_HW[row % 6 : row % 6 + 4, :5] = 1
    mask_HW[4:9, 6 + row % 5 : 10 + row % 5] = 2
    return mask_HW


def as_image(mask_HW: np.ndarray) -> np.ndarray:
    """A photograph (H, W, 3) of which every pixel tells its class: 80 times that."""
    return np.repeat(80 * mask_HW[..., None], 3, axis=2)


def saved(mask_HW: np.ndarray, path: Path, kind: str) -> None:
    colours = np.array([[0, 0, 0], [200, 0, 0], [0, 60, 255]], dtype=np.uint8)
    if kind == "palette":
        image = Image.fromarray(mask_HW, mode="P")
        image.putpalette(colours.ravel().tolist())
    elif kind == "rgb":
        image = Image.fromarray(colours[mask_HW])
    elif kind == "grey as rgb":
        image = Image.fromarray(np.repeat(mask_HW[..., None], 3, axis=2))
    else:
        image = Image.fromarray(mask_HW * {"grey": 1, "spread": 100}[kind])
    image.save(path)


def folder(root: Path, *, kind: str = "grey", count: int = 12) -> Path:
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for row in range(count):
        mask_HW = number_of(row)
        Image.fromarray(as_image(mask_HW)).save(root / "images" / f"{row}.png")
        saved(mask_HW, root / "masks" / f"{row}{'_mask' * (row % 2)}.png", kind)
    return root


def made(root: Path, *settings: str) -> Data:
    config = composed(root.parent, "data=masks", f"data.root={root}", "model=unet", *settings)
    fill(config)
    data: Data = build(plain(config)["data"])
    data.setup("fit")
    data.setup("test")
    return data


def agree(data: Data, x_BCHW: torch.Tensor, target_BHW: torch.Tensor) -> float:
    """The share of counted pixels that are of the class that they show, of the classes 0, 1 and 2."""
    shown_BHW = (data.normalize.invert(x_BCHW)[:, 0] * 255 / 80).round().long()
    counted = target_BHW != IGNORED
    return (shown_BHW == target_BHW)[counted].float().mean().item()


PLAIN = ("data.random_resized_crop=null", "data.crop_from=null", f"data.shape=[3,{H},{W}]", "data.image_size=null")


@pytest.mark.parametrize("kind", ["grey", "palette", "rgb", "grey as rgb", "spread"])
def test_masks_of_every_kind_are_the_classes_of_their_pixels(kind: str, tmp_path: Path) -> None:
    root = folder(tmp_path / "data", kind=kind)
    told = facts(root=str(root), cache=False)
    assert len(told["labels"]) == 3
    data = made(root, "data.image_size=12")
    order = [0, 2, 1] if kind == "rgb" else [0, 1, 2]  # #0000.. before #c800..
    for split, batches in (("train", data.in_order("train")), ("test", data.test_dataloader())):
        x_BCHW, target_BHW = next(iter(batches))
        assert x_BCHW.shape[1:] == (3, 12, 12)
        assert target_BHW.dtype == torch.long
        least = 0.9 if split == "train" else 1  # kept larger, and shrunk again: edges of a resized photograph blur
        assert agree(data, x_BCHW, torch.tensor([*order, *[9] * 252, IGNORED])[target_BHW]) >= least


@pytest.mark.parametrize(
    "settings",
    [
        ("data.image_size=12",),
        ("data.image_size=12", "data.random_resized_crop=null", "data.crop_from=null", "data.crop_padding=3"),
        ("data.image_size=24", "data.in_memory=false", "data.workers=0"),
        ("data.image_size=12", "data.random_resized_crop=null", "data.crop_padding=3", "data.padding_mode=reflect"),
        ("data.image_size=12", "data.random_resized_crop=null", "data.horizontal_flip=alternating"),
    ],
)
def test_training_moves_a_mask_as_it_moves_its_image(settings: tuple[str, ...], tmp_path: Path) -> None:
    data = made(folder(tmp_path / "data"), *settings)
    for epoch in range(3):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        for x_BCHW, target_BHW in loader:
            assert set(target_BHW.unique().tolist()) <= {0, 1, 2, IGNORED}
            assert agree(data, x_BCHW, target_BHW) > 0.9  # edges of a resized photograph blur
            assert (IGNORED in target_BHW) == (
                "data.crop_padding=3" in settings and len(settings) == 4 and "reflect" not in settings[-1]
            )


def test_a_shift_gives_every_pixel_its_class_and_none_beyond_the_edge() -> None:
    mask_N1HW = torch.from_numpy(np.stack([number_of(row) for row in range(6)]))[:, None]
    both_NCHW = torch.cat([80 * mask_N1HW, mask_N1HW], dim=1)
    moved_NCHW = Augment(crop_padding=4, horizontal_flip=True)(both_NCHW, generator(1), masks=1)
    inside = moved_NCHW[:, 1] != IGNORED
    assert torch.equal(moved_NCHW[:, 0][inside], 80 * moved_NCHW[:, 1][inside])
    assert not moved_NCHW[:, 0][~inside].any()
    assert (~inside).any()


@pytest.mark.parametrize("size", [(5, 7), (24, 32), (12, 16)])
def test_resizing_makes_no_class_between_two(size: tuple[int, int]) -> None:
    mask_NCHW = torch.from_numpy(number_of(1) * 2)[None, None].repeat(1, 2, 1, 1)
    for found_NCHW in (resize(mask_NCHW, size, masks=1), fit(mask_NCHW, (9, 9), masks=1)):
        assert set(found_NCHW[:, -1].unique().tolist()) <= {0, 2, 4}
    assert torch.equal(resize(mask_NCHW, size, masks=1)[:, :1], resize(mask_NCHW[:, :1], size))


def test_a_choice_of_classes_renumbers_them_and_ignores_the_others(tmp_path: Path) -> None:
    data = made(folder(tmp_path / "data"), "data.image_size=12", "data.classes=['2','0']")
    _, target_BHW = next(iter(data.test_dataloader()))
    whole = made(folder(tmp_path / "whole"), "data.image_size=12")
    _, expected_BHW = next(iter(whole.test_dataloader()))
    table = torch.full((256,), IGNORED)
    table[[2, 0]] = torch.tensor([0, 1])
    assert torch.equal(target_BHW, table[expected_BHW])


def test_pixels_are_counted(tmp_path: Path) -> None:
    data = made(folder(tmp_path / "data"), "data.image_size=12")
    counted = sum(target_BHW.flatten().bincount(minlength=3) for _, target_BHW in data.in_order("train"))
    assert torch.equal(data.class_counts(), torch.as_tensor(counted))
    assert data.class_counts().sum() == len(data.indices["train"]) * 12 * 12


def test_a_value_of_255_beside_several_others_does_not_count(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    mask_HW = number_of(0)
    mask_HW[0] = 255
    saved(mask_HW, root / "masks" / "0.png", "grey")
    told = facts(root=str(root), cache=False)
    assert (told["values"], told["ignore"]) == ([0, 1, 2], 255)


def test_black_and_white_masks_are_background_and_object(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    for path in (root / "masks").iterdir():
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8) * 255).save(path)
    told = facts(root=str(root), cache=False)
    assert (told["labels"], told["values"], told["ignore"]) == (["background", "object"], [0, 255], None)


@pytest.mark.parametrize("layout", ["split/kind", "kind/split"])
def test_splits_are_found_above_or_below(layout: str, tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        whole = folder(tmp_path / split, count=3)
        for kind in ("images", "masks"):
            place = tmp_path / "data" / (f"{split}/{kind}" if layout == "split/kind" else f"{kind}/{split}")
            place.parent.mkdir(parents=True, exist_ok=True)
            (whole / kind).rename(place)
    assert facts(root=str(tmp_path / "data"), cache=False)["official"] == ["train", "val", "test"]


def noise(root: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("images", "masks"):
        Image.fromarray(pixels).save(root / name / "2.png")


def flat(root: Path) -> None:
    for path in (root / "masks").iterdir():
        Image.new("L", (W, H), 7).save(path)


SPOILT: dict[str, Any] = {
    "size": lambda root: Image.new("L", (W, H + 1)).save(root / "masks" / "2.png"),
    "class": lambda root: saved(number_of(2) + 5, root / "masks" / "2.png", "grey"),
    "missing": lambda root: (root / "masks" / "2.png").unlink(),
    "double": lambda root: Image.open(root / "images" / "2.png").save(root / "images" / "2.bmp"),
    "jpeg": noise,
    "flat": flat,
    "text": lambda root: (root / "masks" / "2.png").write_text("no image"),
    "folder": lambda root: (root / "masks").rename(root / "labels"),
    "names": lambda root: None,
}
SAID: dict[str, dict[str, Any]] = {"class": {"values": [0, 1, 2]}, "names": {"labels": ["a", "b"]}}


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("size", r"images/2.png is 16 x 12 pixels, and its mask masks/2.png 16 x 13 \(1 of 12 differ\)"),
        (
            "class",
            r"masks/2.png has \d+ pixels of value 5, and no class has it: add it to data.values, .* data.ignore=5",
        ),
        ("missing", "1 of 12 images have no mask in .*masks: 2: a mask is called as its image is"),
        ("double", "images/2.bmp and .*images/2.png have one name"),
        ("jpeg", r"the masks hold [\d,]+ values, and 255 classes can be: save them as PNG"),
        ("flat", "every pixel of every training mask has one value"),
        ("text", "masks/2.png is no mask that can be read"),
        ("folder", "no folders images and masks there, nor below train"),
        ("names", r"data.labels=\['a', 'b'\]: name each of 3 classes"),
    ],
)
def test_what_is_wrong_with_masks_is_one_line(how: str, words: str, tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    SPOILT[how](root)
    with pytest.raises(ValueError, match=words):
        facts(root=str(root), cache=False, **SAID.get(how, {}))


@pytest.mark.parametrize(
    ("target_NHW", "words"),
    [
        (torch.full((4, H, W), 3), "a mask has class 3, but data.classes names 3, 0 to 2"),
        (torch.zeros(4, H, W + 1).long(), r"images of shape \[4, 1, 12, 16\] and masks of \[4, 12, 17\]"),
    ],
)
def test_masks_of_a_function_are_checked(target_NHW: torch.Tensor, words: str) -> None:
    def read(*, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(4, 1, H, W, dtype=torch.uint8), target_NHW

    data = dataset()(read)(shape=(1, H, W), classes=["a", "b", "c"], task="segmentation", val_fraction=0.25)
    with pytest.raises(ValueError, match=words):
        data.setup("fit")


def test_masks_are_not_mixed(tmp_path: Path) -> None:
    data = made(folder(tmp_path / "data"), "data.image_size=12", "data.mixup=0.2")
    with pytest.raises(ValueError, match=r"data.mixup and data.cutmix are not for masks"):
        data.train_dataloader()


def test_a_recorded_run_is_not_told_again_and_needs_no_masks(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    config = composed(tmp_path, "data=masks", f"data.root={root}", "model=unet")
    assert fill(config)
    root.rename(tmp_path / "elsewhere")
    assert not fill(config)  # a net of it labels other images
