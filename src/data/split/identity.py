"""Which sample is which, of data that have changed: a file is known by its name, a row of a table by what is in it.

Shapes: N samples.
"""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from zlib import crc32

from torch import Tensor

from src.data.keep.mapped import flat
from src.data.read.files import Files
from src.data.read.rows import Rows

Samples = dict[str, int]  # by name: the size of a file in bytes, the checksum of a row, 0 where nothing is known


class Listing(NamedTuple):
    """The samples of an official split as they are now, and the folder that holds all their files, None without files.

    Of samples that are made on demand `keys` are None.
    """

    names: Sequence[str]
    keys: Sequence[int] | None
    root: str | None

    def has(self, row: int, key: int) -> bool:
        """Whether a row is as it was when `key` was its."""
        return self.keys is None or self.keys[row] == key

    def rows(self, before: Samples) -> dict[str, int]:
        """Return the row that each sample has now, of those that are still there.

        A row of a table is known by its checksum, and by its number where there are as many rows as before. Raises
        ValueError for samples that are made on demand where there are more or fewer of them.
        """
        row_of = {name: row for row, name in enumerate(self.names)}
        is_table, as_many = self.root is None and self.keys is not None, len(before) == len(self.names)
        if self.root is None and self.keys is None and not as_many:
            raise ValueError(
                f"the data have {len(self.names)} samples, and had {len(before)} when the run listed them; nothing "
                "tells which these are: put the data back as they were"
            )
        found = _by_key(before, self.keys or ()) if is_table else {}
        free = set(range(len(self.names))).difference(found.values()) if as_many or not is_table else ()
        return found | {name: row_of[name] for name in before if name not in found and row_of.get(name) in free}


def listing(rows: Rows) -> Listing:
    """Return what the chosen samples are called, and what tells whether one has changed."""
    images, target_N, chosen_N = rows
    numbers = chosen_N.tolist()
    if isinstance(images, Files):
        paths = [images.paths[number] for number in numbers]
        root = os.path.commonpath({os.path.dirname(path) for path in paths})
        below = len(os.path.join(root, ""))
        sizes = [_size(path) for path in paths]
        if images.is_told:
            told = (flat(target_N[number]) for number in numbers)
            both = [crc32(target, crc32(str(key).encode())) for target, key in zip(told, sizes, strict=True)]
            return Listing([path[below:] for path in paths], both, os.path.abspath(root))
        return Listing([path[below:] for path in paths], sizes, os.path.abspath(root))
    keys = checksums(images, target_N, numbers) if isinstance(images, Tensor) else None
    return Listing([str(number) for number in numbers], keys, None)


def checksums(images: Tensor, target_N: Tensor, numbers: Sequence[int]) -> list[int]:
    """Return the CRC-32 of each of the samples and its target."""
    pixels, targets = flat(images), flat(target_N)
    size, width = images[0].nbytes, target_N[0].nbytes
    return [crc32(targets[n * width : (n + 1) * width], crc32(pixels[n * size : (n + 1) * size])) for n in numbers]


def _by_key(before: Samples, keys: Sequence[int]) -> dict[str, int]:
    """Return the row of each sample whose checksum is there; of equal ones each has its own, in their order."""
    rows: dict[int, deque[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, deque()).append(row)
    return {name: rows[before[name]].popleft() for name in sorted(before, key=int) if rows.get(before[name])}


def _size(path: str) -> int:
    with suppress(OSError):  # a link to nothing, which is named when it is decoded
        return os.stat(path).st_size
    return -1
