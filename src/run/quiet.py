"""Silences the warnings that a user of this project can do nothing about, each for a reason.

All others are shown.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

HARMLESS = (
    r".*LeafSpec.* is deprecated",  # inside Lightning 2.6, of torch's own pytree
    r"The number of training batches .* is smaller than the logging interval",  # our points also end each epoch
    r"Total length of `list` across ranks is zero",  # data.val_fraction=0 asks for no val batch
    r".*does not have many workers",  # data in memory needs none
    r"The image decoding .* capabilities of TorchVision",  # twice as fast as Pillow, which takes over what it refuses
    r"You're resuming from a checkpoint that ended before the epoch ended",  # src.fit.quick places the loader
    r"Glyph .* missing from font",  # a letter that a picture's font lacks is a box
)


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore the harmless warnings in the block."""
    with warnings.catch_warnings():
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message)
        yield


@contextmanager
def warnings_logged() -> Iterator[None]:
    """Send the warnings of the block to the log, and so to train.log as well as to the screen."""
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
