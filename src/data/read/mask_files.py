"""Masks in image files: the class of each pixel, by its grey value, its place in a palette, or its colour.

Shapes: H height, W width, C channels, K classes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from src.data.read.readable import readable
from src.data.transform.prepare import orientation, upright
from src.task.segmentation import IGNORED

Value = int | Sequence[int]  # a number, or red, green and blue
COLOURS = ("RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV")  # modes of Pillow


class MaskFiles:
    """Mask files by position, each read when it is asked for, as uint8 (H, W): the number of each pixel's class.

    `values` are those of the classes in their order; what is of the value `ignore` is IGNORED. Raises ValueError,
    naming the file, for a value that is of no class.
    """

    def __init__(self, paths: Sequence[str], *, values: Sequence[Value], ignore: Value | None = None):
        self.paths = list(paths)
        self.in_colour = isinstance(values[0], Sequence)
        self.codes = np.array([code(value) for value in values])
        self.ignored = None if ignore is None else code(ignore)
        self.how = f"{self.codes.tolist()} without {self.ignored}"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        path = self.paths[index]
        code_HW = codes_of(path, in_colour=self.in_colour)
        order_K = self.codes.argsort()
        place_HW = np.searchsorted(self.codes[order_K], code_HW).clip(max=len(self.codes) - 1)
        number_HW = order_K[place_HW].astype(np.uint8)
        known_HW = self.codes[number_HW] == code_HW
        if self.ignored is not None:
            number_HW[code_HW == self.ignored] = IGNORED
            known_HW |= code_HW == self.ignored
        if not known_HW.all():
            what, count = shown(int(code_HW[~known_HW][0]), self.in_colour), f"{(~known_HW).sum():,}"
            raise ValueError(
                f"{readable(path)} has {count} pixels of {what}, and no class has it: add it to data.values, "
                f"which are {len(self.codes)}, or set data.ignore={what.removeprefix('value ')} where they do not count"
            )
        return torch.from_numpy(number_HW)


def beside(image_CHW: Tensor, mask_HW: Tensor, path: str) -> Tensor:
    """Return an image with its mask as a last channel; raises ValueError where the sizes differ."""
    if image_CHW.shape[1:] != mask_HW.shape:
        (H, W), (h, w) = image_CHW.shape[1:], mask_HW.shape
        raise ValueError(f"{readable(path)} is {w} x {h} pixels, and its image {W} x {H}: save both at one size")
    return torch.cat([image_CHW, mask_HW[None]])


def code(value: Value) -> int:
    """Return a value as one number: of red, green and blue that of #rrggbb."""
    if isinstance(value, int):
        return value
    red, green, blue = value
    return red << 16 | green << 8 | blue


def shown(code: int, in_colour: bool) -> str:
    """Return a code as people write it."""
    return f"#{code:06x}" if in_colour else f"value {code}"


def codes_of(path: str, *, in_colour: bool | None = None) -> np.ndarray:
    """Return the code of each pixel (H, W), upright; raises ValueError where a file cannot be read, or is of colours.

    Of a palette it is the place in it, and with `in_colour` the colour. Where that is None, it is the grey value if all
    pixels are grey, else the colour with 1 << 24 added.
    """
    try:
        with Image.open(path) as image:
            image.load()
            turned = orientation(image)
            has_colours = image.mode in COLOURS or bool(in_colour)
            pixels = np.asarray(
                image.convert("RGB") if has_colours else image.convert("L") if image.mode == "LA" else image
            )
    except Exception as error:  # damaged files make decoders raise anything
        raise ValueError(f"{readable(path)} is no mask that can be read ({error}): replace or remove it") from error
    if pixels.ndim == 3:
        pixels = pixels.astype(np.int64)
        is_grey = (pixels == pixels[..., :1]).all()
        code_HW = pixels[..., 0] if is_grey and not in_colour else pixels @ np.array([1 << 16, 1 << 8, 1])
        if in_colour is False and not is_grey:
            raise ValueError(
                f"{readable(path)} is in colour, and data.values are grey: give [red, green, blue] of each class"
            )
        code_HW = code_HW + (0 if in_colour is not None or is_grey else 1 << 24)
    else:
        code_HW = pixels.astype(np.int64)
    return upright(torch.from_numpy(np.ascontiguousarray(code_HW))[None], turned)[0].numpy()
