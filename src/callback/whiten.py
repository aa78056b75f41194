"""Sets the first layer of a net from training images before the first step, and keeps it as it is."""

from typing import Any

import lightning
import torch

from src.fit.contract import Net, Readable, needs


class Whiten(lightning.Callback):
    """Hands `samples` images of the training split, or some more, as the net sees them to its `whiten`.

    What that has set stays as it is. The images are evenly chosen: a dataset may have its classes one after the other.
    A run that is resumed, or starts from weights, goes on with those it has.
    """

    def __init__(self, *, samples: int = 5000):
        if samples < 1:
            raise ValueError(f"callback.whiten.samples={samples}: at least 1")
        self.samples = samples

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Whiten where a fit begins; raises ValueError for a net that cannot be."""
        model: Any = pl_module
        if stage != "fit":
            return
        net: Any = needs(model, Net, for_="callback=whiten").net
        data: Any = needs(trainer.datamodule, Readable, for_="callback=whiten")  # type: ignore[attr-defined]
        whiten = getattr(net, "whiten", None)
        if whiten is None:
            cure = "choose model=airbench, or remove it by ~callback.whiten"
            raise ValueError(f"callback=whiten: {type(net).__name__} has no whiten(): {cure}")
        net.whitening.weight.requires_grad_(False)
        learns = getattr(model, "learns", None)  # of Supervised alone
        if learns is not None and learns.weights is not None:
            return
        loader = data.in_order("train", whole=True)
        every = max(1, len(loader.sampler.indices_N) // self.samples)
        loader.sampler.indices_N = loader.sampler.indices_N[::every]
        whiten(torch.cat([x_B.cpu() for x_B, _ in loader]))
