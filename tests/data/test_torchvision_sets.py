"""torchvision's datasets are read from files in their real formats; what is not there is one line."""

import inspect
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from src.data.read import torchvision_sets as module
from src.data.read.files import Files
from src.data.read.torchvision_sets import SOURCES, facts, torchvision_set
from tests.toy import IDX_NAMES, idx, images

Wrote = dict[str, tuple[np.ndarray, np.ndarray]]  # by split: images (N, H, W) or (N, 3, H, W), labels
COUNTS = {"train": 20, "test": 10}


@pytest.fixture(autouse=True)
def _forget() -> None:
    module._loaded.cache_clear()


def idx_files(root: Path, name: str) -> Wrote:
    wrote = {split: images(count, (28, 28), seed=count) for split, count in COUNTS.items()}
    (root / name / "raw").mkdir(parents=True)
    for split, arrays in wrote.items():
        stems = IDX_NAMES[split == "train"]
        if name == "EMNIST":
            stems = tuple(f"emnist-balanced-{split}-{kind}" for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))
            arrays = (arrays[0].transpose(0, 2, 1), arrays[1])
        for stem, values in zip(stems, arrays, strict=True):
            (root / name / "raw" / stem).write_bytes(idx(values))
    return wrote


def qmnist(root: Path, patch: pytest.MonkeyPatch) -> Wrote:
    wrote = {split: images(count, (28, 28), seed=count) for split, count in COUNTS.items()}
    folder = root / "QMNIST" / "raw"
    folder.mkdir(parents=True)
    for split, (pixels, labels) in wrote.items():
        (folder / f"qmnist-{split}-images-idx3-ubyte").write_bytes(idx(pixels))
        table = np.zeros((len(labels), 8), dtype=">i4")
        table[:, 0] = labels
        head = struct.pack(">HBB2I", 0, 12, 2, *table.shape)
        (folder / f"qmnist-{split}-labels-idx2-int").write_bytes(head + table.tobytes())
    return wrote


def svhn(root: Path, patch: pytest.MonkeyPatch) -> Wrote:
    wrote = {split: images(count, (3, 32, 32), seed=count) for split, count in COUNTS.items()}
    for split, (pixels, labels) in wrote.items():
        number_N1 = np.where(labels == 0, 10, labels)[:, None]  # the digit 0 is 10
        savemat(root / f"{split}_32x32.mat", {"X": pixels.transpose(2, 3, 1, 0), "y": number_N1})
    patch.setattr("torchvision.datasets.svhn.check_integrity", lambda path, md5: Path(path).is_file())
    return wrote


def cifar100(root: Path, patch: pytest.MonkeyPatch) -> Wrote:
    wrote = {split: images(count, (3, 32, 32), seed=count) for split, count in COUNTS.items()}
    folder = root / "cifar-100-python"
    folder.mkdir()
    for split, (pixels, labels) in wrote.items():
        entry = {"data": pixels.reshape(len(pixels), -1), "fine_labels": labels.tolist()}
        (folder / split).write_bytes(pickle.dumps(entry))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"kind {number}" for number in range(100)]}))
    patch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file())
    return wrote


def stl10(root: Path, patch: pytest.MonkeyPatch) -> Wrote:
    wrote = {split: images(count, (3, 96, 96), seed=count) for split, count in COUNTS.items()}
    folder = root / "stl10_binary"
    folder.mkdir()
    for split, (pixels, labels) in wrote.items():
        (folder / f"{split}_X.bin").write_bytes(pixels.transpose(0, 1, 3, 2).tobytes())  # columns first
        (folder / f"{split}_y.bin").write_bytes((labels + 1).astype(np.uint8).tobytes())
    (folder / "unlabeled_X.bin").write_bytes(b"")
    (folder / "class_names.txt").write_text("\n".join(module.STL10))
    patch.setattr("torchvision.datasets.stl10.check_integrity", lambda path, md5=None: Path(path).is_file())
    return wrote


ARRAYS: dict[str, Callable[[Path, pytest.MonkeyPatch], Wrote]] = {
    "KMNIST": lambda root, patch: idx_files(root, "KMNIST"),
    "EMNIST": lambda root, patch: idx_files(root, "EMNIST"),
    "QMNIST": qmnist,
    "SVHN": svhn,
    "CIFAR100": cifar100,
    "STL10": stl10,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_images_in_memory_are_those_that_the_files_hold(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = ARRAYS[name](tmp_path, monkeypatch)
    for split, (pixels, labels) in wrote.items():
        for cache in (False, True, True):
            found, label_N = torchvision_set.read(name, data_dir=str(tmp_path), cache=cache, split=split)
            assert isinstance(found, torch.Tensor)
            np.testing.assert_array_equal(found.numpy().reshape(pixels.shape), pixels)
            assert label_N.tolist() == labels.tolist()
    told = facts(name=name, data_dir=str(tmp_path), cache=False)
    values = wrote["train"][0].reshape(COUNTS["train"], told["channels"], -1) / 255
    assert told["mean"] == pytest.approx(values.mean(axis=(0, 2)), abs=6e-5)
    assert told["official"] == ["train", "test"]
    assert told["image_size"] == SOURCES[name].side == wrote["train"][0].shape[-1]
    assert len(told["labels"]) > max(wrote["train"][1])


def picture(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8 + number, 9), (20 * number, 0, 0)).save(path, format="PPM" if path.suffix == ".ppm" else "PNG")


def food(root: Path) -> None:
    (root / "food-101" / "meta").mkdir(parents=True)
    for split, start in (("train", 0), ("test", 4)):
        names = {
            kind: [f"{kind}/{start + 2 * place + n}" for n in range(2)] for place, kind in enumerate(("pie", "soup"))
        }
        (root / "food-101" / "meta" / f"{split}.json").write_text(json.dumps(names))
        for name in (each for some in names.values() for each in some):
            picture(root / "food-101" / "images" / f"{name}.jpg", int(name.split("/")[1]))


def pets(root: Path) -> None:
    folder = root / "oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    for split, start in (("trainval", 0), ("test", 4)):
        rows = [f"{('Abyssinian', 'great_dane')[n // 2]}_{start + n} {n // 2 + 1} 1 1" for n in range(4)]
        (folder / "annotations" / f"{split}.txt").write_text("\n".join(rows) + "\n")
        for n, row in enumerate(rows):
            picture(folder / "images" / f"{row.split()[0]}.jpg", start + n)


def textures(root: Path) -> None:
    for split, start in (("train", 0), ("val", 8), ("test", 4)):
        names = [f"{('dotted', 'woven')[n // 2]}/{start + n}.jpg" for n in range(4)]
        labels = root / "dtd" / "dtd" / "labels" / f"{split}1.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("\n".join(names) + "\n")
        for n, name in enumerate(names):
            picture(root / "dtd" / "dtd" / "images" / name, start + n)


def signs(root: Path) -> None:
    for n in range(4):
        picture(root / "gtsrb" / "GTSRB" / "Training" / f"{n // 2:05d}" / f"{n}.ppm", n)
        picture(root / "gtsrb" / "GTSRB" / "Final_Test" / "Images" / f"{n:05d}.ppm", 4 + n)
    rows = [f"{n:05d}.ppm;9;9;{n // 2}" for n in range(4)]
    (root / "gtsrb" / "GT-final_test.csv").write_text("\n".join(["Filename;Width;Height;ClassId", *rows]) + "\n")


def in_folders(place: str, splits: dict[str, int]) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for split, start in splits.items():
            for n in range(4):
                picture(root / place / split / ("AD", "ZA")[n // 2] / f"{n}.jpg", start + n)

    return write


FILES: dict[str, Callable[[Path], None]] = {
    "Food101": food,
    "OxfordIIITPet": pets,
    "DTD": textures,
    "GTSRB": signs,
    "EuroSAT": in_folders("eurosat/2750", {"": 0}),
    "Country211": in_folders("country211", {"train": 0, "valid": 8, "test": 4}),
}


@pytest.mark.parametrize("name", FILES)
def test_images_in_files_are_those_of_their_classes(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path)
    told = facts(name=name, data_dir=str(tmp_path), cache=False)
    for split, start in {"train": 0, "val": 8, "test": 4}.items():
        if split not in told["official"]:
            with pytest.raises(ValueError, match=f"data.name={name} has no official {split} split"):
                torchvision_set.read(name, data_dir=str(tmp_path), split=split)
            continue
        found, label_N = torchvision_set.read(name, data_dir=str(tmp_path), split=split)
        assert isinstance(found, Files)
        assert [found[row].shape[2] - 8 for row in range(4)] == [start + n for n in range(4)]
        assert label_N.tolist() == [0, 0, 1, 1]
    assert len(told["labels"]) == (43 if name == "GTSRB" else 2)


@pytest.mark.parametrize("name", SOURCES)
def test_every_constructor_takes_what_it_is_given(name: str) -> None:
    kind = getattr(datasets, name)
    source = SOURCES[name]
    for arguments in source.splits.values():
        parameters = inspect.signature(kind).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        loader: dict[str, Any] = {} if source.side or source.found else {"loader": str}
        inspect.signature(kind).bind("root", **arguments, **loader, **({} if takes_any else {"download": True}))


@pytest.mark.parametrize("name", ["SVHN", "Food101", "OxfordIIITPet", "EMNIST"])
def test_without_files_and_network_one_line_says_what_to_put_where(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    place = tmp_path / SOURCES[name].folder
    with pytest.raises(
        FileNotFoundError, match=f"{SOURCES[name].names[0]}.* not found in {place}, and the download failed"
    ):
        facts(name=name, data_dir=str(tmp_path), cache=False)


def test_a_name_that_there_is_not_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.name=svhnn: did you mean SVHN\?"):
        facts(name="svhnn", data_dir=str(tmp_path))
