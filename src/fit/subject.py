"""What of anybody's model can be looked at: its net as one of an image alone, and images, by file or from a split.

Shapes: B batch, C channels, H height, W width, K outputs.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import lightning
from torch import Tensor, nn

from src.data.read.files import decoded
from src.fit.contract import Described, Net, Preprocessing, Readable, needs, offers
from src.fit.first_batch import Call, batches, called_with, first_batch, net_of, splits_of
from src.fit.predicting import image_batch
from src.fit.traceable import inputs_of, traceable


class Subject:
    """A model and data, of which nothing is read before it is needed; raises ValueError where they are no images."""

    def __init__(self, model: lightning.LightningModule, data: lightning.LightningDataModule):
        self.model = model
        self.data: Any = data
        if offers(data, Described) and len(data.shape) != 3:
            raise ValueError(
                f"data.shape={list(data.shape)}: the net takes rows of a table, and only images can be shown"
            )

    @cached_property
    def classes(self) -> list[str] | None:
        """The names of the outputs; None where nobody says them."""
        return self.data.classes if offers(self.data, Described) else None

    @cached_property
    def net(self) -> nn.Module:
        """The net, or the model where it has none, which gives tensors for a batch of images alone."""
        if offers(self.model, Net) and offers(self.data, Described):
            return self.model.net
        return traceable(net_of(self.model), self._call).eval()

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The (C, H, W) of an image as the net takes it."""
        if offers(self.data, Described):
            return tuple(self.data.shape)
        return tuple(inputs_of(self._call)[0].shape[1:])

    def from_file(self, path: Path) -> Tensor:
        """Return an image file as the net takes it (1, C, H, W)."""
        if offers(self.data, Readable):
            return self.data.preprocess(decoded(path, channels=self.shape[0]))
        return image_batch(needs(self.data, Preprocessing, for_=f"input={path}"), path)

    def from_split(self, split: str, number: int) -> Tensor:
        """Return the image (1, C, H, W) of that number, from 0, that the net gets while it goes through a split."""
        seen = 0
        for batch in batches(self.data, split, model=self.model):
            x_BCHW = self._images(called_with(self.model, batch, split=split))
            if number < seen + len(x_BCHW):
                return x_BCHW[number - seen][None]
            seen += len(x_BCHW)
        raise ValueError(f"input={split}/{number}: the split has {seen} images, from 0 on")

    def pixels(self, x_1CHW: Tensor) -> Tensor:
        """Return an image as it looks (H, W, 1 or 3), in [0, 1], its own extremes 0 and 1 where the data do not say."""
        if offers(self.data, Readable):
            return self.data.normalize.invert(x_1CHW)[0].permute(1, 2, 0)
        x_CHW = x_1CHW[0].float()
        x_CHW = x_CHW if len(x_CHW) in (1, 3) else x_CHW.mean(0, keepdim=True)
        low, high = x_CHW.aminmax()
        return ((x_CHW - low) / (high - low).clamp_min(1e-12)).permute(1, 2, 0)

    @cached_property
    def _call(self) -> Call:
        split = next(iter(splits_of(self.data)))
        call = called_with(self.model, first_batch(self.data, split, model=self.model), split=split)
        self._images(call)
        return call

    def _images(self, call: Call) -> Tensor:
        found = inputs_of(call)
        if len(found) != 1 or found[0].ndim != 4:
            shapes = ", ".join(str(list(part.shape)) for part in found)
            raise ValueError(
                f"{type(self.model).__qualname__}: its net takes tensors of shape {shapes}, and only what takes one "
                "batch of images (B, C, H, W) can be shown"
            )
        return found[0]
