"""Samples brought to one size and kept in memory as uint8 where they fit, or decoded again for every batch.

Shapes: N samples, C channels, H height, W width.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from src.data.batches import Images

log = logging.getLogger(__name__)

MEMORY = Path("/proc/meminfo")  # Linux; what it calls free is next to nothing once files have been read
MANY = 500  # images from which on a progress bar is worth its lines
NAMED = 3  # bad files in a message


class Resized:
    """Chosen `images` by position, each as `size` makes it: (C, H, W) of one shape."""

    def __init__(self, images: Images, rows_N: Sequence[int], size: Callable[[Tensor], Tensor]):
        self.images = images
        self.rows_N = rows_N
        self.size = size

    def __len__(self) -> int:
        return len(self.rows_N)

    def __getitem__(self, index: int) -> Tensor:
        return self.size(self.images[self.rows_N[index]])


def stored(images: Resized, *, in_memory: bool | str, on_bad_file: str) -> tuple[Images, Tensor]:
    """Return the samples, and which of `images` they are (N,).

    They are one tensor where that is wanted and fits in half of the free memory. Where `on_bad_file` is skip, files
    that cannot be decoded are left out, counted and named in the log; else their ValueError is raised.
    """
    skips = on_bad_file == "skip"
    like = _first(images, skips=skips)
    keeps = in_memory is True or (in_memory == "auto" and _fits(like, len(images)))
    if not keeps and not skips:
        return images, torch.arange(len(images))
    kept_N = torch.empty(len(images), *like.shape, dtype=like.dtype) if keeps else None
    good_N = _decode(images, into_N=kept_N, skips=skips)
    if kept_N is not None:
        return (kept_N if len(good_N) == len(kept_N) else kept_N[good_N]), good_N
    return Resized(images.images, [images.rows_N[index] for index in good_N.tolist()], images.size), good_N


def _decode(images: Resized, *, into_N: Tensor | None, skips: bool) -> Tensor:
    """Decode every image, into rows of `into_N` where there is one; return which of them could be (N,)."""

    def decode(index: int) -> str | None:
        try:
            sample = images[index]
        except ValueError as error:
            if not skips:
                raise
            return str(error)
        if into_N is not None:
            into_N[index] = sample
        return None

    shows = len(images) >= MANY and sys.stderr.isatty()
    with ThreadPoolExecutor() as pool:  # decoders release Python's lock
        done = pool.map(decode, range(len(images)))
        errors = list(track(done, "decoding", len(images), disable=not shows, transient=True))
    bad = [message.partition(" is no image")[0] for message in errors if message]
    if bad:
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        named = ", ".join(bad[:NAMED])
        log.warning("%d of %d files cannot be read and are skipped: %s%s", len(bad), len(images), named, more)
    return torch.tensor([message is None for message in errors]).nonzero().squeeze(1)


def _first(images: Resized, *, skips: bool) -> Tensor:
    """Return the first sample that can be decoded; raises the ValueError of one that cannot, unless it `skips` some."""
    last = len(images) - 1
    for index in range(last):
        try:
            return images[index]
        except ValueError:
            if not skips:
                raise
    return images[last]


def _fits(like: Tensor, samples: int) -> bool:
    if like.nbytes * samples <= _available_bytes() / 2:
        return True
    log.info("%.1f GB of images do not fit in memory: streamed by data.workers", like.nbytes * samples / 1e9)
    return False


def _available_bytes() -> float:
    """The memory that is free or can be freed, file caches too; infinity on a system that does not say."""
    if not MEMORY.exists():
        return float("inf")
    (line,) = (line for line in MEMORY.read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
