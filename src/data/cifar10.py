"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32 in ten classes.

torchvision downloads and parses it: pickled batches in `data_dir/cifar-10-batches-py`, verified by their md5.
"""

from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10

from src.data.download import downloaded


def cifar10(data_dir: str, *, train: bool) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, 32, 32) as uint8 and labels (N,) in 0..9, downloading them once."""
    folder = Path(data_dir) / CIFAR10.base_folder
    names = [name for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list]]
    if not all((folder / name).is_file() for name in names):
        downloaded(lambda: CIFAR10(data_dir, download=True), folder, names)
    try:
        loaded = CIFAR10(data_dir, train=train)
    except RuntimeError as error:  # a wrong md5
        raise ValueError(
            f"a file in {folder} is corrupt, its md5 is not CIFAR-10's: delete the folder and fetch it again"
        ) from error
    images_NCHW = torch.from_numpy(loaded.data).permute(0, 3, 1, 2).contiguous()
    return images_NCHW, torch.tensor(loaded.targets)
