"""Image files as samples, each decoded when it is asked for.

Shapes: C channels, H height, W width.
"""

import os
from collections.abc import Sequence

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from src.data.transform.prepare import from_pil

GREYED = (".jpg", ".jpeg", ".png")  # what torchvision makes grey; a GIF or WebP it leaves in three channels


class Files:
    """Image files by position, each decoded when it is asked for, as uint8 (C, H, W) of its own size."""

    def __init__(self, paths: Sequence[str | os.PathLike[str]], *, channels: int):
        self.paths = [os.fspath(path) for path in paths]  # a third of the memory that Paths take
        self.channels = channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        try:
            return decoded(self.paths[index], channels=self.channels)
        except ValueError as error:
            raise ValueError(f"{error}, or set data.on_bad_file=skip") from error.__cause__


def decoded(path: str | os.PathLike[str], *, channels: int) -> Tensor:
    """Return an image file as uint8 (C, H, W), upright; raises ValueError that names a file that cannot be read.

    torchvision's decoder is the faster one; what it refuses, and what has more than 8 bits or one frame, Pillow reads.
    """
    try:
        mode = ImageReadMode.GRAY if channels == 1 else ImageReadMode.RGB
        if channels != 1 or os.fspath(path).lower().endswith(GREYED):
            image_CHW = decode_image(os.fspath(path), mode=mode, apply_exif_orientation=True)
            if image_CHW.dtype == torch.uint8 and image_CHW.ndim == 3:
                return image_CHW
    except RuntimeError:
        pass
    try:
        with Image.open(path) as image:
            bits = 16 if image.format == "PPM" and image.mode == "I" else None  # Pillow makes no 8 bits of these
            return from_pil(ImageOps.exif_transpose(image), channels, bits=bits)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow raises any of these
        raise ValueError(f"{path} is no image that can be read ({error}): replace or remove it") from error
