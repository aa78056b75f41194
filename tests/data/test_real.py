"""The real datasets are what conf/data states of them: sizes, classes, channel statistics to four digits.

They are looked for in DATA_DIR, and the tests skip where they are not there.
"""

import os
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.data.read.cifar10 import cifar10
from src.data.read.digits import digits
from src.data.read.mnist import fashionmnist, mnist

CONF = Path(__file__).parents[2] / "conf" / "data"
DATA_DIR = os.environ.get("DATA_DIR", "data")
FILES = {
    "mnist": ("MNIST/raw/train-images-idx3-ubyte", mnist, 60_000, 10_000),
    "fashionmnist": ("FashionMNIST/raw/train-images-idx3-ubyte", fashionmnist, 60_000, 10_000),
    "cifar10": ("cifar-10-batches-py/data_batch_1", cifar10, 50_000, 10_000),
}


def read(name: str, *, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    file, reader, _, _ = FILES[name]
    if not (Path(DATA_DIR) / file).is_file():
        pytest.skip(f"{name} is not in DATA_DIR={DATA_DIR}")
    return reader.read(DATA_DIR, split=split)


def stated(name: str) -> DictConfig:
    return OmegaConf.create({"data": OmegaConf.load(CONF / f"{name}.yaml")}).data


def check_statistics(images_NCHW: torch.Tensor, name: str) -> None:
    conf = stated(name)
    counts_CK = torch.stack([torch.bincount(c.flatten(), minlength=256) for c in images_NCHW.transpose(0, 1)]).double()
    level_K = torch.arange(256).double() / 255
    mean_C = (counts_CK * level_K).sum(1) / counts_CK.sum(1)
    std_C = ((counts_CK * level_K**2).sum(1) / counts_CK.sum(1) - mean_C**2).sqrt()
    assert [round(mean, 4) for mean in mean_C.tolist()] == list(conf.mean)
    assert [round(std, 4) for std in std_C.tolist()] == list(conf.std)


@pytest.mark.parametrize("name", FILES)
def test_a_real_dataset_has_the_published_sizes_and_classes(name):
    for split, samples in (("train", FILES[name][2]), ("test", FILES[name][3])):
        images_NCHW, target_N = read(name, split=split)
        assert len(images_NCHW) == samples
        assert target_N.unique().tolist() == list(range(len(stated(name).classes)))
        if name != "mnist":  # whose classes are not of one size
            assert torch.bincount(target_N).tolist() == [samples // 10] * 10


def test_the_real_mnist_has_the_published_number_of_each_digit():
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(read("mnist", split="train")[1]).tolist() == counts


@pytest.mark.parametrize("name", FILES)
def test_a_real_dataset_has_the_stated_channel_statistics(name):
    check_statistics(read(name, split="train")[0], name)


def test_the_digits_have_the_stated_channel_statistics():
    check_statistics(digits.read(split="train")[0], "digits")
