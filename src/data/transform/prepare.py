"""From stored pixels to what a net sees: augmentation, resizing and normalisation of batches.

Shapes: B batch, C channels, H height, W width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL.Image import Image, fromarray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from src.data.transform.part import Part
from src.task.segmentation import IGNORED


def generator(*key: int) -> torch.Generator:
    """A CPU generator that is a function of the integers in `key` (>= 0): seed, epoch, step."""
    state = np.random.SeedSequence(key).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)


@dataclass(frozen=True)
class Augment:
    """Random crop and random horizontal flip, one decision per sample.

    The crop is a window of the image after `crop_padding` pixels on each side, zeros or, with the `padding_mode`
    reflect, the image mirrored at its edge; or, with `random_resized_crop`, a box whose share of the area lies between
    these two and whose aspect ratio between 3/4 and 4/3, scaled to `size` (H, W) (Szegedy et al. 2015,
    arXiv:1409.4842).
    """

    crop_padding: int = 0
    horizontal_flip: bool | str = False
    random_resized_crop: tuple[float, float] | None = None
    size: tuple[int, ...] = ()
    padding_mode: str = "constant"

    def __bool__(self) -> bool:
        return self.crop_padding > 0 or bool(self.horizontal_flip) or self.random_resized_crop is not None

    def __call__(
        self,
        x_BCHW: Tensor,
        random: torch.Generator,
        part: Part | None = None,
        *,
        flip_B: Tensor | None = None,
        masks: int = 0,
    ) -> Tensor:
        """Return a batch of the same dtype, and of the same shape but for the resized crop.

        The numbers come from `random`, on the CPU, so that every device sees the same. Of a `part` of a batch they are
        those that its rows have in the whole. `flip_B` says which samples to mirror, where that is not left to chance.
        The last `masks` channels hold class numbers, which move with the image and are never blended.
        """
        rows = part.rows if part else slice(None)
        samples = part.samples if part else len(x_BCHW)
        if self.random_resized_crop:
            boxes_B4 = _boxes(samples, x_BCHW.shape[-2:], self.random_resized_crop, random)[rows]
            crops = [
                resize(x_CHW[None, :, top : top + height, left : left + width], self.size, masks=masks)[0]
                if masks
                else F.resized_crop(x_CHW, top, left, height, width, list(self.size), antialias=True)
                for x_CHW, (top, left, height, width) in zip(x_BCHW, boxes_B4.tolist(), strict=True)
            ]
            x_BCHW = torch.stack(crops)
        if not self.crop_padding and not self.horizontal_flip:
            return x_BCHW
        offset_B2 = torch.randint(0, 2 * self.crop_padding + 1, (samples, 2), generator=random)[rows]
        if flip_B is None:
            flip_B = (torch.rand(samples, generator=random)[rows] < 0.5) & bool(self.horizontal_flip)
        return self._shifted(x_BCHW, offset_B2.to(x_BCHW.device), flip_B.to(x_BCHW.device), masks=masks)

    def _shifted(self, x_BCHW: Tensor, offset_B2: Tensor, flip_B: Tensor, *, masks: int) -> Tensor:
        B, C, H, W = x_BCHW.shape
        pad, columns_W = self.crop_padding, torch.arange(W, device=x_BCHW.device)
        row_BH = offset_B2[:, :1] + torch.arange(H, device=x_BCHW.device)
        column_BW = offset_B2[:, 1:] + torch.where(flip_B[:, None], columns_W.flip(0), columns_W)
        if pad and self.padding_mode == "reflect":
            row_BH, column_BW = _reflected(row_BH - pad, H), _reflected(column_BW - pad, W)
        elif pad:
            x_BCHW = torch.nn.functional.pad(x_BCHW, [pad] * 4)
            if masks:  # which beyond the edge are of no class
                outside_HW = torch.nn.functional.pad(torch.zeros(H, W, device=x_BCHW.device), [pad] * 4, value=1) == 1
                x_BCHW[:, -masks:].masked_fill_(outside_HW, IGNORED)
        index_B1P = (row_BH[:, :, None] * x_BCHW.shape[3] + column_BW[:, None, :]).view(B, 1, H * W)
        return x_BCHW.flatten(2).gather(2, index_B1P.expand(B, C, H * W)).view(B, C, H, W)


def _reflected(position: Tensor, size: int) -> Tensor:
    """Return positions in [0, size) for those beyond an edge: as far on this side of the edge's own pixel."""
    return size - 1 - (size - 1 - position.abs()).abs()


TRIES = 10  # boxes drawn before the whole image is taken, as torchvision's RandomResizedCrop does


def _boxes(samples: int, size: Sequence[int], scale: tuple[float, float], random: torch.Generator) -> Tensor:
    """Return (top, left, height, width) of a box per sample, (B, 4): the first of some tries that fits in `size`."""
    H, W = size
    area_BT = torch.empty(samples, TRIES).uniform_(*scale, generator=random) * (H * W)
    ratio_BT = torch.empty(samples, TRIES).uniform_(math.log(3 / 4), math.log(4 / 3), generator=random).exp()
    place_B2 = torch.rand(samples, 2, generator=random)
    height_BT = (area_BT / ratio_BT).sqrt().round().clamp(min=1)
    width_BT = (area_BT * ratio_BT).sqrt().round().clamp(min=1)
    fits_BT = (height_BT <= H) & (width_BT <= W)
    first_B = fits_BT.int().argmax(dim=1, keepdim=True)
    found_B = fits_BT.any(dim=1)
    height_B = torch.where(found_B, height_BT.gather(1, first_B).squeeze(1), torch.tensor(float(H)))
    width_B = torch.where(found_B, width_BT.gather(1, first_B).squeeze(1), torch.tensor(float(W)))
    top_B = (place_B2[:, 0] * (H - height_B + 1)).floor()
    left_B = (place_B2[:, 1] * (W - width_B + 1)).floor()
    return torch.stack([top_B, left_B, height_B, width_B], dim=1).long()


def resize(x_NCHW: Tensor, size: Sequence[int], *, chunk: int = 4096, masks: int = 0) -> Tensor:
    """Return images stretched to `size` (H, W), bilinear, antialiased, `chunk` at a time.

    The last `masks` channels hold class numbers, of which each pixel gets that of the nearest.
    """
    if masks:
        image_NCHW, mask_NCHW = x_NCHW[:, :-masks], x_NCHW[:, -masks:]
        nearest = F.resize(mask_NCHW, list(size), interpolation=InterpolationMode.NEAREST_EXACT)
        return torch.cat([resize(image_NCHW, size, chunk=chunk), nearest], dim=1)
    return torch.cat([F.resize(part, list(size), antialias=True) for part in x_NCHW.split(chunk)])


def fit(x_NCHW: Tensor, size: Sequence[int], *, masks: int = 0) -> Tensor:
    """Return the images' middle in `size` (H, W): scaled to cover it, aspect ratio kept, then cropped.

    The last `masks` channels hold class numbers.
    """
    old, new = x_NCHW.shape[-2:], tuple(size)
    scale = max(side / had for side, had in zip(new, old, strict=True))
    covering = [max(side, int(had * scale)) for side, had in zip(new, old, strict=True)]
    covered_NCHW = resize(x_NCHW, covering, masks=masks) if tuple(old) != tuple(covering) else x_NCHW
    return F.center_crop(covered_NCHW, list(new))


UPRIGHT = {2: (False, [-1]), 3: (False, [-1, -2]), 4: (False, [-2])}  # by orientation: is it transposed, then flipped
UPRIGHT |= {5: (True, []), 6: (True, [-1]), 7: (True, [-1, -2]), 8: (True, [-2])}
ORIENTATION = 0x0112  # EXIF's number


def orientation(image: Image) -> int:
    """Return how an image lies by its EXIF, from 1, upright, to 8; 1 where that says nothing or is damaged."""
    try:
        found = image.getexif().get(ORIENTATION)
    except Exception:  # whatever Pillow raises for it
        return 1
    return found if found in UPRIGHT else 1


def upright(image_CHW: Tensor, orientation: int) -> Tensor:
    """Return an image turned and mirrored as its EXIF `orientation` says, in memory of its own."""
    if orientation not in UPRIGHT:
        return image_CHW
    is_transposed, flipped = UPRIGHT[orientation]
    return (image_CHW.transpose(-1, -2) if is_transposed else image_CHW).flip(flipped).contiguous()


def from_pil(image: Image, channels: int, *, bits: int | None = None) -> Tensor:
    """Return uint8 (C, H, W) with one channel, grey, or three, RGB, for a PIL image, upright by its EXIF.

    An image of 16 bits per pixel loses the lower 8: Pillow would show all above 255 as white. Where nothing says how
    many `bits` a pixel has, whole numbers of 32 are taken for what they can be, 8 or 16; raises ValueError for others
    and for fractions, which do not say what white is.
    """
    image.load()  # which turns a TIFF upright, and forgets that it was not
    turned = orientation(image)
    bits = bits or _bits(image)
    if bits == 32:
        raise ValueError(f"pixels of 32 bits, mode {image.mode}, do not say what is white: save it with 8 or 16 bits")
    if bits == 16:
        image = fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    return upright(F.pil_to_tensor(image.convert("L" if channels == 1 else "RGB")), turned)


def _bits(image: Image) -> int:
    """Return how many bits per channel are used where Pillow keeps 8 or 32."""
    if image.mode not in ("I", "F"):
        return 16 if image.mode.startswith("I;16") else 8
    pixels_HW = np.asarray(image)
    if image.mode == "F" or pixels_HW.min() < 0 or pixels_HW.max() > 65535:
        return 32
    return 16 if pixels_HW.max() > 255 else 8


def with_channels(image: Image | Tensor, channels: int) -> Tensor:
    """Return uint8 (B, C, H, W) with one channel or three, for PIL, uint8 (C, H, W) or uint8 (B, C, H, W)."""
    pixels = image if isinstance(image, Tensor) else from_pil(image, channels)
    x_BCHW = pixels if pixels.ndim == 4 else pixels[None]
    if x_BCHW.shape[1] == channels:
        return x_BCHW
    x_BCHW = x_BCHW[:, :3] if x_BCHW.shape[1] >= 3 else x_BCHW[:, :1]  # what follows is opacity
    return F.rgb_to_grayscale(x_BCHW) if channels == 1 else x_BCHW.expand(-1, channels, -1, -1)
