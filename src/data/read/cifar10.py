"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32 in ten classes.

torchvision downloads and parses it: pickled batches in `data_dir/cifar-10-batches-py`, verified by their md5.
"""

from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from src.data.dataset import dataset
from src.data.keep.cache import cached
from src.data.keep.content import content, state
from src.data.read.download import downloaded


@dataset()
def cifar10(data_dir: str, *, cache: bool = True, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, 32, 32) as uint8 and labels (N,) in 0..9, downloading and parsing them once."""
    folder = Path(data_dir) / CIFAR10.base_folder
    names = list(_md5s())
    if not all((folder / name).is_file() for name in names):
        downloaded(lambda: CIFAR10(data_dir, download=True), folder, names)
    paths = [str(folder / name) for name in names]
    found = content(paths) if cache else None
    if found is None:
        return _parsed(data_dir, split)
    key = f"{found.sha256} cifar10 {'test' if split == 'test' else 'train'}"
    images_NCHW, label_N = cached(key, lambda: _parsed(data_dir, split), is_valid=lambda: state(paths) == found.state)
    return images_NCHW, label_N


def _parsed(data_dir: str, split: str) -> tuple[Tensor, Tensor]:
    """Return images and labels out of torchvision's files; raises ValueError where one is corrupt."""
    try:
        loaded = CIFAR10(data_dir, train=split != "test")
    except RuntimeError as error:  # a wrong md5
        folder = Path(data_dir) / CIFAR10.base_folder
        corrupt = [str(folder / name) for name, md5 in _md5s().items() if not check_integrity(folder / name, md5)]
        raise ValueError(
            f"{', '.join(corrupt)}: corrupt, its md5 is not CIFAR-10's: delete {folder} and fetch it again"
        ) from error
    images_NCHW = torch.from_numpy(loaded.data).permute(0, 3, 1, 2).contiguous()
    return images_NCHW, torch.tensor(loaded.targets)


def _md5s() -> dict[str, str]:
    return dict([*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])])
