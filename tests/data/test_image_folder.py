"""Image folders: any mode of image, classes as stated, and damaged files named."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from src.data.image_folder import image_folder
from src.data.module import Data

LABELS = ["cat", "dog"]
COLOURS = {"cat": (250, 10, 10), "dog": (10, 10, 250)}


def write(root: Path, *, mode: str = "RGB", size: tuple[int, int] = (9, 7), each: int = 3) -> None:
    for split in ("train", "test"):
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(each):
                Image.new("RGB", size, colour).convert(mode).save(folder / f"{mode}{number}.tif")


def read(root: Path, *, train: bool = True, labels: list[str] = LABELS, channels: int = 3):
    return image_folder(str(root), labels=labels, channels=channels, image_size=8, train=train)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P", "L", "1"])
def test_an_image_of_any_mode_and_size_becomes_uint8_of_the_stated_shape(tmp_path, mode):
    write(tmp_path, mode=mode, size=(20, 11))
    files, target_N = read(tmp_path)
    assert len(files) == len(target_N) == 6
    assert files[0].shape == (3, 8, 8)
    assert files[0].dtype == torch.uint8


def test_colours_and_classes_stay_together(tmp_path):
    write(tmp_path)
    files, target_N = read(tmp_path, labels=["dog", "cat"])
    for index in range(len(files)):
        colour = COLOURS[["dog", "cat"][int(target_N[index])]]
        assert files[index][:, 4, 4].tolist() == list(colour)


def test_folders_decoded_into_memory_equal_folders_streamed(tmp_path):
    write(tmp_path)
    batches = []
    for in_memory in (True, False):
        data = Data(
            lambda *, train: read(tmp_path, train=train),
            shape=(3, 8, 8), classes=LABELS, task="multiclass", image_size=8, val_fraction=0.0,
            in_memory=in_memory, workers=0, batch_size=2,
        )  # fmt: skip
        data.setup("fit")
        batches.append(list(data.train_dataloader()))
    for (x_B, y_B), (x2_B, y2_B) in zip(*batches, strict=True):
        assert torch.equal(x_B, x2_B)
        assert torch.equal(y_B, y2_B)


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
        files[files.paths.index(cut)]


def test_a_missing_folder_class_or_image_is_named_with_its_place(tmp_path):
    with pytest.raises(FileNotFoundError, match="train does not exist"):
        read(tmp_path)
    write(tmp_path)
    with pytest.raises(ValueError, match=r"holds the classes cat, dog, but data\.labels=\['cat', 'horse'\]"):
        read(tmp_path, labels=["cat", "horse"])
    for path in (tmp_path / "test" / "dog").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="dog holds no image"):
        read(tmp_path, train=False)
