"""TensorBoard's event file of a run, for what is no scalar."""

import struct
from typing import Any

import lightning
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import FileWriter, SummaryWriter


def writer(trainer: lightning.Trainer) -> SummaryWriter | None:
    """Return what writes the event file, or None where the run has no TensorBoard logger."""
    found = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    return found[0].experiment if found and trainer.is_global_zero else None


def add_png(events: SummaryWriter, tag: str, png: bytes, *, step: int) -> None:
    """Add a picture as it is: SummaryWriter.add_image would have it decoded and encoded again."""
    width, height = struct.unpack(">2I", png[16:24])  # the IHDR chunk comes first (RFC 2083, 11.2.1)
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    add_summary(events, Summary(value=[Summary.Value(tag=tag, image=image)]), step=step)


def add_summary(events: SummaryWriter, summary: Summary, *, step: int) -> None:
    """Add what SummaryWriter has no method for."""
    if events.file_writer is None:  # closed after a fit, and the test logged nothing that would open another
        opened: Any = FileWriter(events.log_dir)
        vars(events).update(file_writer=opened, all_writers={events.log_dir: opened})
    file: Any = events.file_writer
    file.add_summary(summary, step)
