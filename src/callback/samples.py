"""Shows in TensorBoard what the net is trained on: samples as they are, and as augmentation makes them.

Shapes: B batch, C channels, H height, W width.
"""

import logging
import math
from typing import Any

import lightning
from torch import Tensor
from torchvision.utils import make_grid

from src.callback.event_file import writer
from src.fit.contract import Readable, offers
from src.fit.first_batch import images_in

log = logging.getLogger(__name__)


class Samples(lightning.Callback):
    """Writes the first `samples` training images as they are, then those of the first batch, when training starts.

    Of data that do not give their samples in order it is the images of the first batch alone.
    """

    changes_no_result = True

    def __init__(self, *, samples: int = 32):
        self.samples = samples
        self._is_shown = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write both pictures."""
        events, data = writer(trainer), trainer.datamodule  # type: ignore[attr-defined]  # Lightning's own, undeclared
        self._is_shown = events is None or offers(data, Readable)
        if events is None or not offers(data, Readable) or len(data.shape) != 3:
            return
        ours: Any = data
        shown = {"samples": ours.in_order("train", whole=True), "samples augmented": ours.train_dataloader(whole=True)}
        for tag, batches in shown.items():
            x_BCHW, _ = next(iter(batches))
            events.add_image(
                f"train/{tag}", self._grid(ours.normalize.invert(x_BCHW[: self.samples])), trainer.global_step
            )

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write the images of the first batch, where no others are to be had."""
        if self._is_shown:
            return
        self._is_shown = True
        events, image_BCHW = writer(trainer), images_in(batch)
        if image_BCHW is None:
            log.info("callback.samples is left out: the first training batch holds no tensor (B, 1 or 3, H, W)")
        elif events is not None:
            events.add_image("train/samples augmented", self._grid(image_BCHW[: self.samples]), trainer.global_step)

    def _grid(self, pixels_BCHW: Tensor) -> Tensor:
        return make_grid(pixels_BCHW, nrow=math.isqrt(2 * self.samples), pad_value=1).cpu()
