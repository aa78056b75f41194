"""Shows in TensorBoard's projector where the net puts test samples, just before its last layer.

Shapes: N samples, D features.
"""

import logging
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from src.callback.event_file import writer
from src.data.look import target_text
from src.fit.contract import Batched, Merged, Parallel, Readable, offers
from src.fit.first_batch import labels_in, net_of
from src.fit.leaves import samples
from src.strategy.exchange import gathered_rows

log = logging.getLogger(__name__)


class Embeddings(lightning.Callback):
    """Writes the inputs of the net's last linear layer, (N, D), for the first `samples` of the test split.

    Labels come with them, and the images where the samples are images and the data give them in order.
    """

    changes_no_result = True

    def __init__(self, *, samples: int = 500):
        self.samples = samples
        self._heard: Tensor | None = None
        self._features: list[Tensor] = []
        self._labels: list[str] = []  # of a loader that is not ours
        self._hook: Any = None

    def on_test_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Listen at the last linear layer."""
        model: Any = pl_module
        layers = [layer for layer in net_of(model).modules() if isinstance(layer, nn.Linear)]
        if not any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers):
            return
        if not layers:
            log.info("callback.embeddings is left out: %s has no linear layer", type(model).__qualname__)
            return
        if offers(model, Parallel):
            model.runner = None  # of several devices, which would be heard in any order
        if offers(model, Merged):
            model.unmerge()
        self._features, self._labels = [], []
        self._hook = layers[-1].register_forward_pre_hook(self._hear)

    def on_test_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *args: Any,
    ) -> None:
        """Keep what was heard of the batch, where it is a row per sample: a net on a graph looks at every node."""
        heard, self._heard = self._heard, None
        number = samples(batch)
        if heard is None or len(heard) != number or sum(map(len, self._features)) >= self.samples:
            return
        features_BD = heard.detach().float().flatten(1).cpu()
        loader, label_B = trainer.test_dataloaders, labels_in(batch)
        self._labels += [""] * number if label_B is None else [str(label) for label in label_B.tolist()]
        if offers(loader, Batched) and loader.ranks > 1:
            (features_BD,) = gathered_rows(features_BD[: loader.count(batch_idx)])
        self._features.append(features_BD)

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write what was heard."""
        if self._hook is None:
            return
        self._hook.remove()
        self._hook = None
        events = writer(trainer)
        if not self._features or events is None:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        features_ND = torch.cat(self._features)[: self.samples]
        is_ours = offers(data, Readable)
        names, images = _shown(data, len(features_ND)) if is_ours else (self._labels[: len(features_ND)], None)
        events.add_embedding(features_ND, metadata=names, label_img=images, global_step=trainer.global_step)

    def _hear(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._heard = inputs[0]


def _shown(data: Any, samples: int) -> tuple[list[str], Tensor | None]:
    """Return the label of each of the first test samples, and their pixels in [0, 1] where they have some."""
    targets, images = [], []
    for x_B, target_B in data.in_order("test", whole=True):
        targets += target_B.tolist()
        images.append(data.normalize.invert(x_B).cpu())
        if len(targets) >= samples:
            break
    names = [target_text(target, data.classes) for target in targets[:samples]]
    return names, torch.cat(images)[:samples] if len(data.shape) == 3 else None
