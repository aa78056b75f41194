"""Shows in TensorBoard the net as a graph of its operations."""

import copy
import logging
import warnings
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import lightning
import torch

from src.callback.event_file import writer

log = logging.getLogger(__name__)


class Graph(lightning.Callback):
    """Writes the graph of `net`, traced on one batch of zeros, when training starts."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Trace a copy of the net on the CPU and write it."""
        events = writer(trainer)
        if events is None:
            return
        shape = trainer.datamodule.shape  # type: ignore[attr-defined]  # Lightning's own, undeclared
        net: Any = copy.deepcopy(pl_module.net)
        try:
            with warnings.catch_warnings(), redirect_stdout(StringIO()):  # where torch says that it failed
                warnings.simplefilter("ignore")  # of the tracer, about shapes that it takes for constants
                events.add_graph(net.cpu().eval(), torch.zeros(2, *shape))
        except Exception as error:  # a picture is never worth a run
            reason = next(filter(None, str(error).splitlines()), "")[:200]
            log.warning("TensorBoard gets no graph of the net: %s: %s", type(error).__name__, reason)
