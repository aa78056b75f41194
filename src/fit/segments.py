"""What a net says of pixels, as rows: a mask in a PNG for each image, and the share of each class in it.

Shapes: B batch, H height, W width.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from src.plot.mask_rows import IGNORED, palette
from src.run.write import whole

Row = dict[str, Any]


class Segments:
    """Rows with `mask`, a PNG in `folder` whose pixels are class numbers in the colours of a palette, and shares.

    The mask has the size that the net sees. Where what is true is known, `accuracy` is the share of right pixels.
    """

    def __init__(self, folder: Path, classes: Sequence[str]):
        self.folder = folder
        self.classes = classes
        self.names: set[str] = set()
        self._true: list[Tensor] = []

    def columns(self, *, has_target: bool) -> list[str]:
        """Return the columns of the table."""
        accuracy = ["accuracy"] if has_target else []
        return ["path", *accuracy, *(f"share({name})" for name in self.classes), "mask", "error"]

    def target(self, target_HW: Tensor) -> Row:
        """Remember what is true of the next sample."""
        self._true.append(target_HW.cpu())
        return {}

    def rows(self, label_BHW: Tensor, names: Sequence[str]) -> Iterator[Row]:
        """Write each sample's mask and yield what is in it."""
        for label_HW, name in zip(label_BHW.long(), names, strict=True):
            share_K = label_HW.flatten().bincount(minlength=len(self.classes)) / label_HW.numel()
            row: Row = dict(zip((f"share({each})" for each in self.classes), share_K.tolist(), strict=True))
            if self._true:
                true_HW = self._true.pop(0)
                row = {"accuracy": (label_HW == true_HW)[true_HW != IGNORED].float().mean().item()} | row
            yield row | {"mask": str(self._write(label_HW, name))}

    def _write(self, label_HW: Tensor, name: str) -> Path:
        stem = re.sub(r"[^\w.-]+", "_", name if name.startswith(("val/", "test/")) else Path(name).stem)
        unused = (f"{stem}{f'_{number}' if number else ''}" for number in range(len(self.names) + 1))
        stem = next(one for one in unused if one not in self.names)
        self.names.add(stem)
        self.folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(label_HW.to("cpu").numpy().astype(np.uint8), mode="P")
        image.putpalette((palette(len(self.classes)) * 255).round().astype(np.uint8).ravel().tolist())
        with whole(self.folder / f"{stem}.png", synced=False) as part:
            image.save(part, format="png")
        return self.folder / f"{stem}.png"
