"""The identity of a dataset: a hash over its samples and targets, or over its files where they are streamed.

Shapes: N samples.
"""

import hashlib
import os
from typing import Any

from torch import Tensor

from src.data.keep.mapped import flat
from src.data.keep.stored import Resized
from src.data.read.files import Files
from src.data.read.rows import Images


def fingerprint(images: Images, target_N: Tensor) -> str:
    """Return the sha256, in hexadecimal, of samples and targets; 1.5 GB/s for samples in memory."""
    digest = hashlib.sha256()
    for part in (images, target_N):
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype} {tuple(part.shape)}\n".encode())
            digest.update(flat(part))
        else:
            digest.update("".join(_lines(part)).encode())
    return digest.hexdigest()


def _lines(images: Any) -> list[str]:
    """Return a line for each streamed sample: its file's class folder, name and size; without files their number."""
    if isinstance(images, Resized):
        lines = _lines(images.images)
        return [lines[row] for row in images.rows_N] if len(lines) == len(images.images) else lines
    if isinstance(images, Files):
        lines = [f"{'/'.join(path.split(os.sep)[-2:])} {os.stat(path).st_size}\n" for path in images.paths]
        if images.masks is None:
            return lines
        return [f"{line}{os.stat(path).st_size}\n" for line, path in zip(lines, images.masks.paths, strict=True)]
    return [f"{len(images)} samples"]
