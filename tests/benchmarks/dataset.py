"""Where Fashion-MNIST lies, or random bytes in the same files where it is not there."""

import os
import struct
from pathlib import Path

TRAIN_SAMPLES, TEST_SAMPLES, SIDE, CLASSES = 60_000, 10_000, 28, 10  # Fashion-MNIST's (Xiao et al. 2017)


def data_dir(scratch: Path) -> tuple[Path, str]:
    """Return a `data_dir` for the runs and the name of what it holds; random files are made in `scratch`."""
    root = Path(os.environ.get("DATA_DIR", "data")).absolute()
    if (root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        return root, "real Fashion-MNIST"
    write(scratch)
    return scratch, "random bytes in the shape of Fashion-MNIST (set DATA_DIR for the real one)"


def write(root: Path, times: int = 1) -> None:
    """Write random bytes as the files of Fashion-MNIST, its training set as large as `times` the real one."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, samples in (("train", TRAIN_SAMPLES * times), ("t10k", TEST_SAMPLES)):
        images = struct.pack(">4i", 0x0803, samples, SIDE, SIDE) + os.urandom(samples * SIDE * SIDE)
        labels = struct.pack(">2i", 0x0801, samples) + bytes(byte % CLASSES for byte in os.urandom(samples))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
