"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32 in ten classes.

torchvision downloads and parses it: pickled batches in `data_dir/cifar-10-batches-py`, verified by their md5.
"""

from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from src.data.dataset import dataset
from src.data.download import downloaded


@dataset()
def cifar10(data_dir: str, *, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, 32, 32) as uint8 and labels (N,) in 0..9, downloading them once."""
    folder = Path(data_dir) / CIFAR10.base_folder
    md5s = dict([*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])])
    if not all((folder / name).is_file() for name in md5s):
        downloaded(lambda: CIFAR10(data_dir, download=True), folder, list(md5s))
    try:
        loaded = CIFAR10(data_dir, train=split != "test")
    except RuntimeError as error:  # a wrong md5
        corrupt = [str(folder / name) for name, md5 in md5s.items() if not check_integrity(folder / name, md5)]
        raise ValueError(
            f"{', '.join(corrupt)}: corrupt, its md5 is not CIFAR-10's: delete {folder} and fetch it again"
        ) from error
    images_NCHW = torch.from_numpy(loaded.data).permute(0, 3, 1, 2).contiguous()
    return images_NCHW, torch.tensor(loaded.targets)
