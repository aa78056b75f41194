"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017): 70,000 grey images of 28 x 28.

torchvision downloads them: IDX files in `data_dir/MNIST/raw` and `data_dir/FashionMNIST/raw`. They hold the pixels as
they are, and all processes share them as the system has read them.
"""

import math
import struct
from pathlib import Path

from torch import Tensor
from torchvision.datasets import MNIST, FashionMNIST

from src.data.dataset import dataset
from src.data.keep.mapped import mapped
from src.data.read.download import downloaded


@dataset()
def mnist(data_dir: str, *, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28, 28) as uint8 and labels (N,) in 0..9, downloading them once."""
    return _read(MNIST, data_dir, split)


@dataset()
def fashionmnist(data_dir: str, *, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 28, 28) as uint8 and labels (N,) in 0..9, downloading them once."""
    return _read(FashionMNIST, data_dir, split)


def _read(source: type[MNIST], data_dir: str, split: str) -> tuple[Tensor, Tensor]:
    folder = Path(data_dir) / source.__name__ / "raw"
    names = [Path(name).stem for name, _ in source.resources]  # train images, train labels, test images, test labels
    if not all((folder / name).is_file() for name in names):
        downloaded(lambda: source(data_dir, download=True), folder, names)
    wanted = [folder / name for name in (names[2:] if split == "test" else names[:2])]
    images_NHW, labels_N = [_idx(path, dimensions) for path, dimensions in zip(wanted, (3, 1), strict=True)]
    if len(images_NHW) != len(labels_N):
        raise ValueError(
            f"{wanted[0]} holds {len(images_NHW)} images, but {wanted[1]} {len(labels_N)} labels: "
            f"delete both and fetch them again"
        )
    return images_NHW.unsqueeze(1), labels_N.long()


def _idx(path: Path, dimensions: int) -> Tensor:
    """Return the bytes in an IDX file, mapped; raise where it has other `dimensions` or is not as long as it says.

    The format: two zero bytes, a type code (8 is uint8), the number of dimensions, each as a big-endian 32-bit
    integer, the values.
    """
    with path.open("rb") as file:
        head, sizes_bytes = file.read(4), file.read(4 * dimensions)
    if head != bytes([0, 0, 8, dimensions]) or len(sizes_bytes) != 4 * dimensions:
        raise ValueError(f"{path} is no IDX file of bytes in {dimensions} dimensions: delete it and fetch it again")
    sizes = struct.unpack(f">{dimensions}i", sizes_bytes)
    expected, found = 4 + 4 * dimensions + math.prod(sizes), path.stat().st_size
    if expected != found:
        raise ValueError(f"{path} has {found} bytes, but its header says {expected}: delete it and fetch it again")
    return mapped(path)[-math.prod(sizes) :].view(sizes)
