"""Image files are decoded once; the bits are those of decoding again, and a changed file is never served as it was."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from src.data.keep import stored
from src.data.keep.stored import Resized
from src.data.module import Data
from src.data.read.files import Files
from src.data.read.mnist import mnist
from tests.data.test_image_folder import folder_data
from tests.toy import mnist_files

FORMATS = (
    "RGB.jpg",
    "L.jpg",
    "CMYK.jpg",
    "RGB.png",
    "RGBA.png",
    "P.png",
    "I;16.png",
    "1.tif",
    "RGB.bmp",
    "RGB.webp",
    "P.gif",
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of two classes with noise in many formats and sizes."""
    for number, name in enumerate(f"{split}/{name}" for split in ("train", "test") for name in ("cat", "dog")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for kind, form in enumerate(FORMATS):
            mode, _, suffix = form.partition(".")
            noise = Image.effect_noise((17 + kind, 12 + number), 90)
            image = noise.convert("I").point(lambda value: value * 256) if mode == "I;16" else noise.convert(mode)
            (image.convert("I;16") if mode == "I;16" else image).save(folder / f"{kind}.{suffix}")
    return tmp_path / "photos"


def served(root: Path, **settings: object) -> tuple[Data, list[Tensor]]:
    """Return data that is set up, and all that it serves in an epoch and the test."""
    data = folder_data(root, **{"image_size": 8, **settings})
    for stage in ("fit", "test"):
        data.setup(stage)
    loaders = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    return data, [tensor for loader in loaders for batch in loader for tensor in batch]


def assert_same(one: list[Tensor], other: list[Tensor]) -> None:
    assert len(one) == len(other)
    assert all(torch.equal(left, right) for left, right in zip(one, other, strict=True))


def is_mapped(images: object, cache: Path) -> bool:
    """Whether a tensor's memory is a file of the cache."""
    assert isinstance(images, Tensor)
    address = images.untyped_storage().data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(number, 16) for number in line.split()[0].split("-"))
        if start <= address < end:
            return str(cache) in line
    return False


@pytest.mark.parametrize("crop", [None, (0.3, 1.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_cached_equals_what_is_decoded_bit_for_bit(root, cache, crop, channels):
    settings = {"channels": channels, "random_resized_crop": crop, "crop_from": 12}
    plain, decoded = served(root, cache=False, **settings)
    assert not cache.exists()
    first, written = served(root, **settings)
    again, read = served(root, **settings)
    assert_same(decoded, written)
    assert_same(decoded, read)
    assert plain.fingerprints() == first.fingerprints() == again.fingerprints()
    for split in ("train", "val", "test"):
        assert is_mapped(again.collection[split][0], cache)
        assert not is_mapped(plain.collection[split][0], cache)


def test_bad_files_are_skipped_and_named_from_the_cache_too(root, caplog):
    for name in ("cat", "dog"):
        (root / "train" / name / "5bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    said, seen = [], []
    for settings in ({"cache": False}, {}, {}):
        caplog.clear()
        data, batches = served(root, on_bad_file="skip", **settings)
        said.append([record.message for record in caplog.records])
        seen.append(batches)
        assert not any(path.endswith("bad.jpg") for split in ("train", "val") for path in data.paths(split))
    assert_same(seen[0], seen[1])
    assert_same(seen[0], seen[2])
    assert said[0] == said[1] == said[2]
    assert "2 of 24 files cannot be read and are skipped" in said[0][0]
    with pytest.raises(ValueError, match=r"bad\.jpg is no image"):
        served(root)


@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_file_edited_in_place_at_the_same_size_is_served_as_it_is_now(root, keeps_time):
    _, before = served(root)
    path = root / "train" / "cat" / "8.bmp"
    status = os.stat(path)
    pixels = bytearray(path.read_bytes())
    pixels[-300:] = bytes(300)
    with path.open("r+b") as file:
        file.write(pixels)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + (0 if keeps_time else 1_000_000_000)))
    assert path.stat().st_size == status.st_size
    _, after = served(root)
    _, decoded = served(root, cache=False)
    assert_same(after, decoded)
    assert not all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_copied_folder_is_found_in_the_cache(root, cache, tmp_path):
    _, before = served(root)
    files = sorted(cache.glob("*.tensors"))
    shutil.copytree(root, tmp_path / "copied", copy_function=shutil.copyfile)
    _, copied = served(tmp_path / "copied")
    assert_same(before, copied)
    assert sorted(cache.glob("*.tensors")) == files


def test_other_settings_are_other_pixels(root, cache):
    for settings in ({"image_size": 8}, {"image_size": 9}, {"image_size": 8, "channels": 1}):
        _, cached = served(root, **settings)
        _, decoded = served(root, cache=False, **settings)
        assert_same(cached, decoded)
    assert len(list(cache.glob("*.tensors"))) == 6  # for train and test


def test_the_folder_of_the_images_is_left_as_it_is(root):
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    served(root)
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before


def test_all_splits_and_cuts_of_a_training_set_are_views_of_one_map(root):
    addresses = set()
    for settings in ({}, {"split_seed": 1}, {"val_fraction": 0.5}):
        data = folder_data(root, image_size=8, **settings)
        data.setup("fit")
        train, val = (data.collection[split][0] for split in ("train", "val"))
        assert train is val
        addresses.add(train.untyped_storage().nbytes())
    assert len(addresses) == 1
    assert len(train) == 2 * len(FORMATS)


def test_what_changes_while_it_is_decoded_is_not_kept(root, cache):
    paths = sorted(str(path) for path in (root / "train" / "cat").iterdir())

    def size(image_CHW: Tensor) -> Tensor:
        Path(paths[-1]).touch()
        return image_CHW[:, :8, :8]

    images = Resized(Files(paths, channels=3), range(len(paths)), size, how="cut")
    kept_N, _ = stored.stored(images, in_memory=True, on_bad_file="stop", cache=True)
    assert kept_N.shape == (len(paths), 3, 8, 8)
    assert not list(cache.glob("*.tensors"))


@pytest.mark.parametrize("labels", [[str(number) for number in range(10)], ["3", "8"]])
def test_a_tensor_that_is_resized_is_the_same_from_the_cache(tmp_path, cache, monkeypatch, labels):
    monkeypatch.setattr(stored, "WORTH_BYTES", 1000)
    mnist_files(tmp_path)
    seen = []
    for switch in (False, True, True):
        facts = {"task": "multiclass", "labels": [str(number) for number in range(10)], "classes": labels}
        data = mnist(data_dir=str(tmp_path), shape=[1, 12, 12], image_size=12, cache=switch, **facts)
        data.setup("fit")
        assert is_mapped(data.collection["train"][0], cache) == switch
        seen.append([tensor for batch in data.train_dataloader() for tensor in batch])
    assert_same(seen[0], seen[1])
    assert_same(seen[0], seen[2])


def test_chosen_classes_are_rows_of_what_all_share(tmp_path):
    mnist_files(tmp_path)
    facts = {"task": "multiclass", "labels": [str(number) for number in range(10)], "classes": ["3", "8"]}
    data = mnist(data_dir=str(tmp_path), shape=[1, 28, 28], **facts)
    data.setup("fit")
    assert len(data.collection["train"][0]) == 60
    assert is_mapped(data.collection["train"][0], tmp_path / "MNIST" / "raw")
    assert data.class_counts().tolist() == [6 - int((data.targets("val") == number).sum()) for number in (0, 1)]
