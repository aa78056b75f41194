"""Image files as samples, each decoded when it is asked for.

Shapes: C channels, H height, W width.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress

import torch
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from src.data.read.formats import extensions, missing
from src.data.read.mask_files import MaskFiles, beside
from src.data.read.readable import readable
from src.data.transform.prepare import from_pil, orientation, upright

GREYED = (".jpg", ".jpeg", ".png")  # what torchvision makes grey
PNG = b"\x89PNG\r\n\x1a\n"
TELLING = frozenset((b"eXIf", b"tEXt", b"zTXt", b"iTXt"))  # chunks of a PNG that may say which side is up


class Files:
    """Image files by position, each decoded when it is asked for, as uint8 (C, H, W) of its own size.

    `is_told` where a table says what they show, and may say something else later. With `masks`, one for each, a last
    channel holds the class of each pixel.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        channels: int,
        is_told: bool = False,
        masks: MaskFiles | None = None,
    ):
        self.paths = [os.fspath(path) for path in paths]  # a third of the memory that Paths take
        self.channels = channels
        self.is_told = is_told
        self.masks = masks
        self.how = f"{channels} channels" if masks is None else f"{channels} channels, masks {masks.how}"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        try:
            image_CHW = decoded(self.paths[index], channels=self.channels)
            return image_CHW if self.masks is None else beside(image_CHW, self.masks[index], self.masks.paths[index])
        except ValueError as error:
            raise ValueError(f"{error}, or set data.on_bad_file=skip") from error.__cause__

    def sources(self, rows_N: Sequence[int]) -> list[str]:
        """Return the files that some samples are read from."""
        masks = [] if self.masks is None else [self.masks.paths[row] for row in rows_N]
        return [self.paths[row] for row in rows_N] + masks

    def plain(self) -> "Files":
        """Return the images without their masks."""
        return Files(self.paths, channels=self.channels, is_told=self.is_told)


def decoded(path: str | os.PathLike[str], *, channels: int) -> Tensor:
    """Return an image file as uint8 (C, H, W), upright; raises ValueError that names a file that cannot be read.

    torchvision's decoder is the faster one; what it refuses, and what has more than 8 bits or one frame, Pillow reads.
    """
    name = os.fspath(path)
    image_CHW = _decoded_fast(name, channels) if channels != 1 or name.lower().endswith(GREYED) else None
    if image_CHW is not None:
        return image_CHW
    extensions()  # lets Pillow know of all formats
    try:
        with Image.open(path) as image:
            bits = 16 if image.format == "PPM" and image.mode == "I" else None  # Pillow makes no 8 bits of these
            return _checked(from_pil(image, channels, bits=bits), channels)
    except Exception as error:  # damaged files make decoders raise anything
        package = missing(path)
        cure = f"install {package}, or " if package else ""
        why = readable(f"{name} is no image that can be read ({error})")
        raise ValueError(f"{why}: {cure}replace or remove it") from error


def _decoded_fast(name: str, channels: int) -> Tensor | None:
    """Return what torchvision makes of a JPEG, PNG or WebP; None where that is nothing, or not what was asked for."""
    mode = ImageReadMode.GRAY if channels == 1 else ImageReadMode.RGB
    with suppress(RuntimeError, ValueError, OSError):
        with open(name, "rb", buffering=0) as file:  # torchvision's own reader takes no name that is not UTF-8
            data = bytearray(file.read())
        is_png = data.startswith(PNG)
        if not is_png and not data.startswith(b"\xff\xd8") and (channels == 1 or data[8:12] != b"WEBP"):
            return None  # of a GIF it would decode every frame, and of each grey WebP warn
        kinds = _chunks(data) if is_png else []
        if is_png and not kinds:
            return None
        data_P = torch.frombuffer(data, dtype=torch.uint8)
        image_CHW = _checked(decode_image(data_P, mode=mode), channels)
        if not _may_turn(data, kinds):
            return image_CHW
        try:
            with Image.open(name) as image:
                return upright(image_CHW, orientation(image))
        except Image.DecompressionBombError:  # too large for Pillow alone
            return decode_image(data_P, mode=mode, apply_exif_orientation=True)
    return None


def _checked(image_CHW: Tensor, channels: int) -> Tensor:
    """Return an image as it is; raises ValueError where it is not what a decoder was asked for."""
    shape = tuple(image_CHW.shape)
    if image_CHW.dtype != torch.uint8 or len(shape) != 3 or shape[0] != channels or not image_CHW.numel():
        raise ValueError(f"it has shape {list(shape)} of {image_CHW.dtype}, and not {channels} channels of uint8")
    return image_CHW


def _may_turn(data: bytearray, kinds: Sequence[bytes]) -> bool:
    """Return whether a JPEG, a WebP or a PNG with chunks of these `kinds` holds metadata, which may say how it lies."""
    if kinds:
        return not TELLING.isdisjoint(kinds)
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xe1" in data[: data.find(b"\xff\xda")]  # before the first scan
    return data[12:16] == b"VP8X" and bool(data[20] & 0b1100)  # EXIF or XMP


def _chunks(data: bytearray) -> list[bytes]:
    """Return what the chunks of a PNG are, in order; nothing where one is damaged, of which torchvision would crash."""
    view, place, kinds = memoryview(data), len(PNG), list[bytes]()
    while place + 12 <= len(view) and b"IEND" not in kinds[-1:]:
        length, kind = struct.unpack_from(">I4s", view, place)
        end = place + 8 + length
        if end + 4 > len(view) or zlib.crc32(view[place + 4 : end]) != struct.unpack_from(">I", view, end)[0]:
            return []
        kinds.append(kind)
        place = end + 4
    return kinds if b"IEND" in kinds else []
