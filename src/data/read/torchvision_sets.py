"""Datasets that torchvision downloads and parses, by their names: data=torchvision data.name=SVHN.

Shapes: N samples, C channels, H height, W width.
"""

import csv
import string
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.folder import make_dataset

from src.data.dataset import dataset
from src.data.keep.cache import cached
from src.data.keep.content import content, state
from src.data.read.download import downloaded
from src.data.read.files import Files
from src.data.read.image_folder import IMAGENET, LARGEST
from src.data.read.rows import Images
from src.data.statistics import statistics

DIGITS = tuple(string.digits)
BOOL = {"train": {"train": True}, "test": {"train": False}}
TWO = {"train": {"split": "train"}, "test": {"split": "test"}}
THREE = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
EMNIST = tuple(
    f"emnist-balanced-{part}-{kind}"
    for part in ("train", "test")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)
QMNIST = tuple(
    f"qmnist-{part}-{kind}" for part in ("train", "test") for kind in ("images-idx3-ubyte", "labels-idx2-int")
)
STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


class Source(NamedTuple):
    """What is known of a dataset: its arguments for each official split, and the files below `data_dir` that it needs.

    Images in memory have `side` pixels and `channels`; in files, with 0, they have any. `labels` are None where the
    dataset says them itself, and `found(dataset, folder, split)` gives files and class numbers where no loader does.
    """

    splits: Mapping[str, Mapping[str, Any]]
    folder: str
    names: tuple[str, ...]
    side: int = 0
    channels: int = 3
    labels: tuple[str, ...] | None = None
    found: Callable[[Any, Path, Mapping[str, Any]], tuple[list[str], list[int]]] | None = None


def _pets(loaded: Any, folder: Path, arguments: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    lines = (folder / "annotations" / f"{arguments['split']}.txt").read_text().split("\n")
    rows = [line.split() for line in lines if line.strip()]
    return [str(folder / "images" / f"{name}.jpg") for name, *_ in rows], [int(number) - 1 for _, number, *_ in rows]


def _signs(loaded: Any, folder: Path, arguments: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    if arguments["split"] == "train":
        found = make_dataset(str(folder / "GTSRB" / "Training"), extensions=(".ppm",))
        return [path for path, _ in found], [number for _, number in found]
    with (folder / "GT-final_test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";", skipinitialspace=True))
    place = folder / "GTSRB" / "Final_Test" / "Images"
    return [str(place / row["Filename"]) for row in rows], [int(row["ClassId"]) for row in rows]


def _grey(
    splits: Mapping[str, Mapping[str, Any]], name: str, names: tuple[str, ...], labels: tuple[str, ...]
) -> Source:
    return Source(splits, f"{name}/raw", names, 28, 1, labels)


BALANCED = {split: {"split": "balanced"} | part for split, part in BOOL.items()}
SOURCES = {
    "CIFAR10": Source(BOOL, "cifar-10-batches-py", ("data_batch_1", "test_batch", "batches.meta"), 32),
    "CIFAR100": Source(BOOL, "cifar-100-python", ("train", "test", "meta"), 32),
    "Country211": Source({**TWO, "val": {"split": "valid"}}, "country211", ("train", "valid", "test")),
    "DTD": Source(THREE, "dtd/dtd", ("labels", "images")),
    "EMNIST": _grey(BALANCED, "EMNIST", EMNIST, tuple(datasets.EMNIST.classes_split_dict["balanced"])),
    "EuroSAT": Source({"train": {}}, "eurosat", ("2750",), 0, 3),
    "FGVCAircraft": Source(THREE, "fgvc-aircraft-2013b", ("data",)),
    "FashionMNIST": _grey(BOOL, "FashionMNIST", IDX, tuple(datasets.FashionMNIST.classes)),
    "Flowers102": Source(
        THREE, "flowers-102", ("jpg", "imagelabels.mat", "setid.mat"), labels=tuple(map(str, range(1, 103)))
    ),
    "Food101": Source(TWO, "food-101", ("images", "meta")),
    "GTSRB": Source(TWO, "gtsrb", ("GTSRB", "GT-final_test.csv"), labels=tuple(map(str, range(43))), found=_signs),
    "Imagenette": Source({"train": {"split": "train"}, "val": {"split": "val"}}, "imagenette2", ("train", "val")),
    "KMNIST": _grey(BOOL, "KMNIST", IDX, tuple(datasets.KMNIST.classes)),
    "MNIST": _grey(BOOL, "MNIST", IDX, DIGITS),
    "OxfordIIITPet": Source(
        {"train": {"split": "trainval"}, "test": {"split": "test"}},
        "oxford-iiit-pet",
        ("images", "annotations"),
        found=_pets,
    ),
    "QMNIST": _grey({"train": {"what": "train"}, "test": {"what": "test"}}, "QMNIST", QMNIST, DIGITS),
    "RenderedSST2": Source(THREE, "rendered-sst2", ("train", "valid", "test")),
    "STL10": Source(
        TWO, "stl10_binary", ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "unlabeled_X.bin"), 96, 3, STL10
    ),
    "SVHN": Source(TWO, "", ("train_32x32.mat", "test_32x32.mat"), 32, 3, DIGITS),
    "StanfordCars": Source(TWO, "stanford_cars", ("cars_train", "cars_test", "devkit")),
    "USPS": Source(BOOL, "", ("usps.bz2", "usps.t.bz2"), 16, 1, DIGITS),
}


def facts(*, name: str, data_dir: str, cache: bool = True, **settings: Any) -> Mapping[str, Any]:
    """Return what torchvision knows of a dataset: classes, channels, size, official splits; mean and std of its pixels.

    It is downloaded for that, where it is not there. Images in files have the mean and std that torchvision's weights
    expect.
    """
    source = _source(name)
    found = {"official": list(source.splits), "channels": source.channels, "image_size": source.side or LARGEST}
    found["labels"] = list(source.labels or _loaded(name, data_dir, "train").classes)
    if not source.side:
        return found | IMAGENET
    images, _ = _arrays(name, data_dir, "train", cache=cache)
    mean_C, std_C = statistics(images, scale=255)
    return found | {"mean": [round(x, 4) for x in mean_C.tolist()], "std": [round(x, 4) for x in std_C.tolist()]}


@dataset(facts=facts, tells=("labels", "channels", "image_size", "official", "mean", "std"))
def torchvision_set(
    name: str, *, data_dir: str, channels: int = 3, cache: bool = True, split: str
) -> tuple[Images, Tensor]:
    """Return the images of a split, in memory as uint8 (N, C, H, W) or in files, and their class numbers (N,)."""
    source = _source(name)
    if source.side:
        return _arrays(name, data_dir, split, cache=cache)
    loaded, arguments = _loaded(name, data_dir, split), source.splits[split]
    if source.found:
        paths, numbers = source.found(loaded, Path(data_dir) / source.folder, arguments)
    else:  # its loader gives the path in place of an image
        paths, numbers = map(list, zip(*(loaded[row] for row in range(len(loaded))), strict=True))
    return Files(paths, channels=channels), torch.tensor(numbers)


def _source(name: str) -> Source:
    if name not in SOURCES:
        near = get_close_matches(name.lower(), [known.lower() for known in SOURCES], n=1)
        hint = next((f"did you mean {known}? " for known in SOURCES if [known.lower()] == near), "")
        raise ValueError(f"data.name={name}: {hint}choose from {', '.join(SOURCES)}")
    return SOURCES[name]


def _arrays(name: str, data_dir: str, split: str, *, cache: bool) -> tuple[Tensor, Tensor]:
    """Return images and class numbers of a split, parsed once and kept while the files are as they are."""
    source = SOURCES[name]
    make = partial(_parsed, name, data_dir, split)
    paths = [str(Path(data_dir) / source.folder / file) for file in source.names]
    found = content(paths) if cache else None
    if found is None:  # some are still to be downloaded
        return make()
    images_NCHW, label_N = cached(f"{found.sha256} {name} {split}", make, is_valid=lambda: state(paths) == found.state)
    return images_NCHW, label_N


def _parsed(name: str, data_dir: str, split: str) -> tuple[Tensor, Tensor]:
    loaded = _loaded(name, data_dir, split)
    pixels = torch.as_tensor(np.asarray(loaded.data))
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2) if pixels.shape[-1] == 3 else pixels
    if name == "EMNIST":  # whose files hold columns where others hold rows
        pixels = pixels.transpose(2, 3)
    number_N = torch.as_tensor(np.asarray(loaded.labels if name in ("SVHN", "STL10") else loaded.targets)).long()
    return pixels.contiguous(), (number_N[:, 0] if number_N.ndim == 2 else number_N).contiguous()


@lru_cache(maxsize=4)
def _loaded(name: str, data_dir: str, split: str) -> Any:
    """Return torchvision's dataset, downloaded where it is not there."""
    source, kind = SOURCES[name], getattr(datasets, name)
    if split not in source.splits:
        raise ValueError(f"data.name={name} has no official {split} split: leave it out of data.official")
    loader = {} if source.side or source.found else {"loader": str}
    make = partial(kind, data_dir, **source.splits[split], **loader)
    try:
        return make()
    except (RuntimeError, FileNotFoundError):  # which torchvision raises for what is not there or not whole
        folder = Path(data_dir) / source.folder
        downloaded(
            partial(make, download=True),
            folder,
            [name for name in source.names if not (folder / name).is_dir()] or list(source.names),
        )
        return make()
