"""Shows in TensorBoard what the net is trained on: samples as they are, and as augmentation makes them.

Shapes: B batch, C channels, H height, W width.
"""

import math

import lightning
from torch import Tensor
from torchvision.utils import make_grid

from src.callback.event_file import writer
from src.data.batches import Batches
from src.data.module import Data


class Samples(lightning.Callback):
    """Writes the first `samples` training images as they are, then those of the first batch, when training starts."""

    def __init__(self, *, samples: int = 32):
        self.samples = samples

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write both pictures."""
        events, data = writer(trainer), trainer.datamodule  # type: ignore[attr-defined]  # Lightning's own, undeclared
        if events is None or not isinstance(data, Data) or len(data.shape) != 3:
            return
        shown = {"samples": data.in_order("train", whole=True), "samples augmented": data.train_dataloader(whole=True)}
        for tag, batches in shown.items():
            events.add_image(f"train/{tag}", self._grid(data, batches), trainer.global_step)

    def _grid(self, data: Data, batches: Batches) -> Tensor:
        x_BCHW, _ = next(iter(batches))
        pixels_BCHW = data.normalize.invert(x_BCHW[: self.samples])
        return make_grid(pixels_BCHW, nrow=math.isqrt(2 * self.samples), pad_value=1).cpu()
