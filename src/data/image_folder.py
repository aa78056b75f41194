"""Images in class folders, `root/train/<class>/*` and `root/test/<class>/*`, decoded by Pillow whatever their mode.

Shapes: N samples, C channels.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from src.data.prepare import from_pil


class Files:
    """Image files by position, each decoded when it is asked for, as uint8 (C, size, size)."""

    def __init__(self, paths: Sequence[Path], *, channels: int, size: int):
        self.paths = paths
        self.channels = channels
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Return the image's middle, scaled so that the shorter side fits; raises ValueError that names a bad file."""
        path = self.paths[index]
        try:
            with Image.open(path) as image:
                return from_pil(ImageOps.fit(image.convert("RGB"), (self.size, self.size)), self.channels)
        except (OSError, SyntaxError) as error:  # Pillow raises either for a damaged file
            raise ValueError(f"{path} is no image that can be read ({error}): replace or remove it") from error


def image_folder(
    root: str, *, labels: Sequence[str], channels: int, image_size: int, train: bool
) -> tuple[Files, Tensor]:
    """Return the images of `root/train` or `root/test` and their class numbers (N,), positions in `labels`.

    Raises FileNotFoundError where the folder is missing, ValueError where a class is missing or has no image.
    """
    folder = Path(root) / ("train" if train else "test")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} does not exist: put a folder per class there, or set data_dir=FOLDER or DATA_DIR"
        )
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if classes != sorted(labels):
        raise ValueError(f"{folder} holds the classes {', '.join(classes) or 'none'}, but data.labels={list(labels)}")
    extensions = Image.registered_extensions()
    paths, numbers = [], []
    for number, name in enumerate(labels):
        found = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in extensions)
        if not found:
            raise ValueError(f"{folder / name} holds no image: add some, or remove the folder and the class")
        paths += found
        numbers += [number] * len(found)
    return Files(paths, channels=channels, size=image_size), torch.tensor(numbers)
