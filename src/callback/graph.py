"""Shows in TensorBoard the net as a graph of its operations."""

import copy
import logging
import warnings
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import lightning
import torch
from lightning.fabric.utilities import move_data_to_device

from src.callback.event_file import writer
from src.fit.contract import Described, Net, offers
from src.fit.first_batch import Call, called_with, net_of
from src.fit.traceable import inputs_of, traceable

log = logging.getLogger(__name__)


class Graph(lightning.Callback):
    """Writes the graph of `net`, or of a model without one, traced on zeros or the first batch, when training starts.

    What it is traced on has the shape that the data say, is the declared `example_input_array`, or what the net is
    called with for the first batch.
    """

    changes_no_result = True

    def __init__(self) -> None:
        self._is_drawn = False

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Trace a copy of the net on the CPU and write it, before the first batch."""
        is_drawn, self._is_drawn = self._is_drawn, True
        events = None if is_drawn else writer(trainer)
        if events is None:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning's own, undeclared
        try:
            if offers(pl_module, Net) and offers(data, Described):
                call = Call((torch.zeros(2, *data.shape),), {})
            else:
                here = move_data_to_device(batch, torch.device("cpu"))
                call = called_with(pl_module, here, split="train", alone=trainer.world_size == 1)
            net = traceable(copy.deepcopy(net_of(pl_module)).cpu().eval(), call)
            with warnings.catch_warnings(), redirect_stdout(StringIO()):  # where torch says that it failed
                warnings.simplefilter("ignore")  # of the tracer, about shapes that it takes for constants
                events.add_graph(net, tuple(inputs_of(call)))
        except Exception as error:  # a picture is never worth a run
            reason = next(filter(None, str(error).splitlines()), "")[:200]
            log.warning("TensorBoard gets no graph of the net: %s: %s", type(error).__name__, reason)
