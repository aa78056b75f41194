"""Samples brought to one size and kept as uint8, mapped or in memory, where they fit; or decoded again for every batch.

Shapes: N samples, C channels, H height, W width.
"""

import hashlib
import logging
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import PIL
import torch
import torchvision
from rich.progress import track
from torch import Tensor

from src.data.keep.cache import cached
from src.data.keep.content import content, state
from src.data.keep.mapped import flat
from src.data.read.files import Files
from src.data.read.rows import Images, Rows

log = logging.getLogger(__name__)

MEMORY = Path("/proc/meminfo")  # Linux; what it calls free is next to nothing once files have been read
MANY = 500  # images from which on a progress bar is worth its lines
NAMED = 3  # bad files in a message
WORTH_BYTES = 2**20  # a smaller tensor is resized again at once
VERSION = 3  # of decoding and resizing: one more where they give other pixels, and what the cache has is left alone


class Resized:
    """Chosen `images` by position, each as `size` makes it: (C, H, W) of one shape; `how` names what that does."""

    def __init__(self, images: Images, rows_N: Sequence[int], size: Callable[[Tensor], Tensor], *, how: str):
        self.images = images
        self.rows_N = rows_N
        self.size = size
        self.how = how

    def __len__(self) -> int:
        return len(self.rows_N)

    def __getitem__(self, index: int) -> Tensor:
        return self.size(self.images[self.rows_N[index]])


def sized(
    rows: Rows,
    size: Callable[[Tensor], Tensor],
    *,
    how: str,
    in_memory: bool | str,
    on_bad_file: str,
    cache: bool,
) -> Rows:
    """Return samples and targets, as large as `size` makes them; the row of each that is meant, -1 for a bad file.

    `size` takes and gives batches, and `how` names what it does; the rest is what `stored` takes.
    """
    images, target_N, chosen_N = rows
    if not isinstance(images, Tensor):
        chosen = Resized(images, chosen_N.tolist(), partial(_one, size), how=how)
        kept, good_N = stored(chosen, in_memory=in_memory, on_bad_file=on_bad_file, cache=cache)
        return kept, target_N[chosen_N], torch.full_like(chosen_N, -1).index_copy(0, good_N, good_N)
    if size(images[:1]).shape == images[:1].shape:
        return images, target_N, chosen_N
    if len(chosen_N) < len(images):
        images, target_N = images[chosen_N], target_N[chosen_N]
    return resized(images, size, how=how, cache=cache), target_N, torch.arange(len(chosen_N))


def stored(images: Resized, *, in_memory: bool | str, on_bad_file: str, cache: bool) -> tuple[Images, Tensor]:
    """Return the samples, and which of them there are (N,).

    They are one tensor where that is wanted and fits in half of the free memory; with `cache`, image files are decoded
    once. Where `on_bad_file` is skip, files that cannot be decoded are counted and named in the log; else their
    ValueError is raised.
    """
    skips = on_bad_file == "skip"
    like = _first(images, skips=skips)
    keeps = in_memory is True or (in_memory == "auto" and _fits(like, len(images)))
    if not keeps and not skips:
        return images, torch.arange(len(images))
    kept_N: Images = images
    if keeps:
        kept_N, good_N = _decoded_once(images, like, skips=skips, cache=cache)
    else:
        good_N = _decode(images, skips=skips)
    _name_bad(images, good_N)
    return kept_N, good_N


def resized(images_N: Tensor, size: Callable[[Tensor], Tensor], *, how: str, cache: bool) -> Tensor:
    """Return stored images as `size` makes them, from the `cache` where they are many and were made before."""
    if not cache or size(images_N[:1]).nbytes * len(images_N) < WORTH_BYTES:
        return size(images_N)
    key = f"{hashlib.sha256(flat(images_N)).hexdigest()} {images_N.dtype} {list(images_N.shape)} {how} {_makers()}"
    return cached(key, lambda: [size(images_N)])[0]


def _one(size: Callable[[Tensor], Tensor], image_CHW: Tensor) -> Tensor:
    return size(image_CHW[None])[0] if image_CHW.ndim == 3 else image_CHW


def _decoded_once(images: Resized, like: Tensor, *, skips: bool, cache: bool) -> tuple[Tensor, Tensor]:
    """Return the samples, zero where they cannot be decoded, and which of them could (N,)."""

    def make() -> tuple[Tensor, Tensor]:
        into_N = torch.zeros(len(images), *like.shape, dtype=like.dtype)
        return into_N, _decode(images, into_N=into_N, skips=skips)

    files = images.images
    if not cache or not isinstance(files, Files):
        return make()
    paths = files.sources(images.rows_N)
    found = content(paths)
    if found is None:  # a file that cannot be read: decoding says so
        return make()
    key = f"{found.sha256} {files.how} {images.how}{', bad ones skipped' * skips} {_makers()}"
    kept_N, good_N = cached(key, make, is_valid=lambda: state(paths) == found.state)
    return kept_N, good_N


def _makers() -> str:
    """Return what pixels depend on beside the files: the versions that decode, and the processor, which resizes."""
    versions = torch.__version__, torchvision.__version__, PIL.__version__, torch.backends.cpu.get_cpu_capability()
    return " ".join(map(str, (*versions, VERSION)))


def _decode(images: Resized, *, skips: bool, into_N: Tensor | None = None) -> Tensor:
    """Decode every image, into rows of `into_N` where there is one; return which of them could be (N,)."""

    def decode(index: int) -> bool:
        try:
            sample = images[index]
        except ValueError:
            if not skips:
                raise
            return False
        if into_N is not None:
            into_N[index] = sample
        return True

    shows = len(images) >= MANY and sys.stderr.isatty()
    with ThreadPoolExecutor() as pool:  # decoders release Python's lock
        done = pool.map(decode, range(len(images)))
        is_good = list(track(done, "decoding", len(images), disable=not shows, transient=True))
    return torch.tensor(is_good).nonzero().squeeze(1)


def _name_bad(images: Resized, good_N: Tensor) -> None:
    """Count and name in the log what could not be decoded."""
    bad = sorted(set(range(len(images))).difference(good_N.tolist()))
    if bad:
        files = images.images
        named = [files.paths[images.rows_N[row]] if isinstance(files, Files) else str(row) for row in bad[:NAMED]]
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        known = len(bad), len(images), ", ".join(named), more
        log.warning("%d of %d files cannot be read and are skipped: %s%s", *known)


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
