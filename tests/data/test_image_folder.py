"""Image folders: any mode of image, classes as stated, and damaged files named."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from src.data.module import Data
from src.data.read.files import decoded
from src.data.read.image_folder import image_folder

LABELS = ["cat", "dog"]
COLOURS = {"cat": (250, 10, 10), "dog": (10, 10, 250)}


def write(root: Path, *, mode: str = "RGB", size: tuple[int, int] = (9, 7), each: int = 3) -> None:
    for split in ("train", "test"):
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(each):
                Image.new("RGB", size, colour).convert(mode).save(folder / f"{mode}{number}.tif")


def read(root: Path, *, split: str = "train", labels: list[str] = LABELS, channels: int = 3):
    return image_folder.read(str(root), labels=labels, channels=channels, split=split)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P", "L", "1"])
def test_an_image_of_any_mode_and_size_becomes_uint8_of_the_stated_shape(tmp_path, mode):
    write(tmp_path, mode=mode, size=(20, 11))
    files, target_N = read(tmp_path)
    assert len(files) == len(target_N) == 6
    assert files[0].shape == (3, 11, 20)
    assert files[0].dtype == torch.uint8


def test_colours_and_classes_stay_together(tmp_path):
    write(tmp_path)
    files, target_N = read(tmp_path, labels=["dog", "cat"])
    for index in range(len(files)):
        colour = COLOURS[["dog", "cat"][int(target_N[index])]]
        assert files[index][:, 4, 4].tolist() == list(colour)


def folder_data(root: Path, **settings) -> Data:
    """The data of conf/data/image_folder.yaml, small: what is null told by the folder."""
    given = {"root": str(root), "labels": None, "channels": None, "image_size": None, "official": None}
    told = image_folder.facts(**given | {key: settings[key] for key in settings if key in given})
    facts = {key: told[key] for key in ("labels", "channels", "image_size", "official", "mean", "std")}
    facts |= {"batch_size": 2, "workers": 0, "val_fraction": 0.25} | settings
    shape = [facts["channels"], facts["image_size"], facts["image_size"]]
    return image_folder(root=str(root), shape=shape, classes=facts["labels"], task="multiclass", **facts)


@pytest.mark.parametrize("crop", [None, (0.3, 1.0)])
@pytest.mark.parametrize("workers", [0, 2])
def test_folders_decoded_into_memory_equal_folders_streamed(tmp_path, crop, workers):
    write(tmp_path, size=(20, 11), each=6)
    batches = []
    for in_memory in (True, False):
        data = folder_data(
            tmp_path, in_memory=in_memory, workers=workers, image_size=8, random_resized_crop=crop, crop_from=12
        )
        for stage in ("fit", "test"):
            data.setup(stage)
        batches.append([*data.train_dataloader(), *data.val_dataloader(), *data.test_dataloader()])
    for (x_B, y_B), (x2_B, y2_B) in zip(*batches, strict=True):
        assert torch.equal(x_B, x2_B)
        assert torch.equal(y_B, y2_B)


def test_validation_and_test_images_are_their_middle_scaled_and_cropped_as_torchvision_does(tmp_path):
    write(tmp_path)
    for folder in (tmp_path / "train" / "cat", tmp_path / "test" / "cat"):
        Image.effect_noise((40, 24), 90).convert("RGB").save(folder / "noise.png")
    data = folder_data(tmp_path, image_size=8, random_resized_crop=(0.2, 1.0), crop_from=16)
    data.setup("test")
    with Image.open(tmp_path / "test" / "cat" / "noise.png") as image:
        pixels_CHW = v2.functional.pil_to_tensor(image)
    expected_CHW = v2.CenterCrop(8)(v2.Resize(8, antialias=True)(pixels_CHW))
    seen_NCHW = torch.cat([x_B for x_B, _ in data.test_dataloader()])
    wanted_CHW = v2.functional.normalize(expected_CHW / 255, list(data.normalize.mean), list(data.normalize.std))
    assert (seen_NCHW - wanted_CHW).abs().amax(dim=(1, 2, 3)).min() < 1e-5


def test_an_image_lying_on_its_side_is_turned_upright(tmp_path):
    write(tmp_path)
    upright = Image.new("RGB", (16, 32))
    upright.paste((255, 255, 255), (0, 0, 16, 16))  # the upper half white
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera lay on its right side
    path = tmp_path / "train" / "cat" / "turned.jpg"
    upright.rotate(90, expand=True).save(path, exif=exif, quality=95)
    for image_CHW in (decoded(path, channels=3), decoded(path, channels=1)):
        assert image_CHW.shape[1:] == (32, 16)
        assert image_CHW[0, 4].float().mean() > 200
        assert image_CHW[0, 28].float().mean() < 50


def test_a_file_with_another_formats_name_is_read(tmp_path):
    write(tmp_path)
    path = tmp_path / "train" / "cat" / "really_a.jpg"
    Image.new("RGB", (9, 9), (10, 200, 10)).save(path, format="BMP")  # torchvision refuses it
    assert decoded(path, channels=3)[:, 4, 4].tolist() == [10, 200, 10]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "jpg"])
def test_a_coloured_file_is_grey_where_that_is_asked(tmp_path, suffix):
    Image.new("RGB", (9, 9), (200, 200, 200)).save(tmp_path / f"grey.{suffix}")
    assert decoded(tmp_path / f"grey.{suffix}", channels=1).shape == (1, 9, 9)


RAMP = Image.linear_gradient("L").resize((64, 64))  # black above, white below
MODES = ["L/png", "LA/png", "RGB/jpg", "RGBA/webp", "P/gif", "P/png", "CMYK/jpg", "CMYK/tiff", "YCbCr/jpg", "1/bmp"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_any_mode_is_the_same_picture(tmp_path, mode, channels):
    mode, _, suffix = mode.partition("/")
    path = tmp_path / f"ramp.{suffix}"
    RAMP.convert("RGB").convert(mode).save(path)
    wanted_HW = torch.from_numpy(np.asarray(RAMP).copy())
    for image_HW in decoded(path, channels=channels):
        band_8, wanted_8 = (x_HW.float().view(8, -1).mean(dim=1) for x_HW in (image_HW, wanted_HW))  # 1 bit: dots
        assert (band_8 - wanted_8).abs().max() < 8


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bright", [257, 1])  # of all that 16 bits can be, and of the darkest 8 bits of it
def test_sixteen_bits_per_pixel_become_eight(tmp_path, suffix, channels, bright):
    deep_HW, path = np.asarray(RAMP).astype(np.uint16) * bright, tmp_path / f"ramp.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 64 64 65535\n" + deep_HW.astype(">u2").tobytes())
    else:
        Image.fromarray(deep_HW).save(path)
    for image_HW in decoded(path, channels=channels):
        assert torch.equal(image_HW, torch.from_numpy((deep_HW >> 8).astype(np.uint8)))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_thirty_two_bits_per_pixel_are_refused_as_nothing_says_what_white_is(tmp_path, dtype):
    path = tmp_path / "ramp.tiff"
    Image.fromarray(
        (np.asarray(RAMP).astype(np.float64) * (2**23 if dtype is np.int32 else 1 / 255)).astype(dtype)
    ).save(path)
    with pytest.raises(ValueError, match=r"ramp\.tiff is no image that can be read \(pixels of 32 bits"):
        decoded(path, channels=1)


def test_a_grey_folder_has_one_channel_and_a_mixed_one_three(tmp_path):
    write(tmp_path / "grey", mode="L")
    write(tmp_path / "mixed", mode="L")
    Image.new("CMYK", (9, 7)).save(tmp_path / "mixed" / "train" / "dog" / "z.jpg")
    assert image_folder.facts(root=str(tmp_path / "grey"))["channels"] == 1
    assert image_folder.facts(root=str(tmp_path / "mixed"))["channels"] == 3


@pytest.mark.parametrize(("size", "told"), [((32, 32), 32), ((9, 7), 224), ((500, 500), 224)])
def test_the_image_size_is_the_images_own_where_they_are_small_squares(tmp_path, size, told):
    write(tmp_path, size=size)
    assert image_folder.facts(root=str(tmp_path))["image_size"] == told


def test_every_layout_serves_each_image_in_one_split(tmp_path):
    write(tmp_path / "halves", each=12)
    write(tmp_path / "thirds", each=12)
    shutil.copytree(tmp_path / "thirds" / "test", tmp_path / "thirds" / "val")
    shutil.copytree(tmp_path / "halves" / "train", tmp_path / "one")
    shutil.copytree(tmp_path / "halves" / "train", tmp_path / "trained" / "train")
    sizes = {}
    for layout in ("halves", "thirds", "one", "trained"):
        data = folder_data(tmp_path / layout, image_size=8)
        data.setup("fit")
        data.setup("test")
        sizes[layout] = [len(data.indices[split]) for split in ("train", "val", "test")]
        names = [Path(path).parent.parent.name for path in data.collection.source("train")[0][0].paths]
        assert set(names) == {"one" if layout == "one" else "train"}
        if layout in ("one", "trained"):
            together = torch.cat([data.indices[split] for split in ("train", "val", "test")])
            assert sorted(together.tolist()) == list(range(24))
    assert sizes == {"halves": [18, 6, 24], "thirds": [24, 24, 24], "one": [13, 6, 5], "trained": [13, 6, 5]}


@pytest.mark.parametrize("in_memory", [True, False])
def test_bad_files_are_skipped_and_counted_where_that_is_asked(tmp_path, caplog, in_memory):
    write(tmp_path, each=5)
    for name in ("cat", "dog"):
        (tmp_path / "train" / name / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    data = folder_data(tmp_path, image_size=8, val_fraction=0.0, on_bad_file="skip", in_memory=in_memory)
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert "2 of 12 files cannot be read and are skipped" in caplog.text
    assert "cat/bad.jpg" in caplog.text
    seen = torch.cat([y_B for _, y_B in data.train_dataloader()])
    assert torch.bincount(seen).tolist() == [5, 5]
    paths = data.collection.source("train")[0][0].paths
    assert not any(Path(paths[index]).name == "bad.jpg" for index in data.indices["train"].tolist())


def test_a_folder_of_bad_files_only_is_an_error_even_where_they_are_skipped(tmp_path):
    write(tmp_path)
    for path in (tmp_path / "train").rglob("*.tif"):
        path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="is no image that can be read"):
        folder_data(tmp_path, image_size=8, channels=3, on_bad_file="skip").setup("fit")


def test_classes_come_from_the_folders_in_their_order_and_hidden_folders_are_none(tmp_path):
    write(tmp_path)
    (tmp_path / "train" / ".cache").mkdir()
    assert image_folder.facts(root=str(tmp_path))["labels"] == LABELS


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "holds no class: .* set data.root=FOLDER"),
        (["cat"], "holds one class, cat: .* two classes or more"),
        (["cat", "dog"], "cat holds no image"),
    ],
)
def test_a_folder_that_cannot_be_learnt_from_says_what_it_lacks(tmp_path, folders, message):
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=message):
        image_folder.facts(root=str(tmp_path))


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path)
    bad = tmp_path / "train" / "dog" / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff no picture")
    files, _ = read(tmp_path)
    with pytest.raises(ValueError, match=r"dog/bad\.jpg is no image"):
        [files[index] for index in range(len(files))]


def test_a_truncated_jpeg_is_named(tmp_path):
    write(tmp_path)
    cut = tmp_path / "train" / "cat" / "cut.jpg"
    Image.effect_noise((200, 200), 90).save(cut)
    cut.write_bytes(cut.read_bytes()[:3000])
    files, _ = read(tmp_path)
    with pytest.raises(ValueError, match=r"cat/cut\.jpg is no image"):
        files[files.paths.index(str(cut))]


def test_a_missing_folder_class_or_image_is_named_with_its_place(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist: .*data\.root=FOLDER"):
        read(tmp_path / "nowhere")
    write(tmp_path)
    with pytest.raises(ValueError, match="train has no folder of the class horse"):
        read(tmp_path, labels=["cat", "dog", "horse"])
    with pytest.raises(ValueError, match=r"train has a folder dog, but data\.labels=\['cat'\]"):
        read(tmp_path, labels=["cat"])
    shutil.rmtree(tmp_path / "test" / "dog")
    (tmp_path / "test" / "bird").mkdir()
    with pytest.raises(ValueError, match="test has no folder of the class dog"):
        read(tmp_path, split="test")
    (tmp_path / "test" / "dog").mkdir()
    shutil.rmtree(tmp_path / "test" / "bird")
    with pytest.raises(ValueError, match="dog holds no image"):
        read(tmp_path, split="test")


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_without_images_in_a_later_split_is_said_before_training(tmp_path, part):
    write(tmp_path)
    shutil.copytree(tmp_path / "test", tmp_path / "val")
    read(tmp_path)
    for path in (tmp_path / part / "cat").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=f"{part}/cat holds no image"):
        read(tmp_path)
    assert len(image_folder.read(str(tmp_path), labels=LABELS, official=["train"], split="train")[0])  # not asked for
    rest = {"val": "test", "test": "val"}[part]
    assert len(read(tmp_path, split=rest)[0]) == 6  # what is there can be scored
