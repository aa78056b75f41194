"""Whether a checkpoint unpacks to no more than its file holds: `torch.load` itself would allocate what a file says."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import torch

from src.run.plain_data import HPARAMS


def check_archive(path: Path) -> None:
    """Raise ValueError where `path` is no zip archive of stored members that together fit into the file.

    torch.save compresses nothing, so that a compressed or overlapping member is a bomb. The formats before the zip
    (PyTorch 1.6) are read by older and less careful code.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError("it is no zip archive as torch.save writes it (older: torch.save(torch.load(...), ...) once)")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    compressed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
    if compressed:
        raise ValueError(f"its member {compressed[0]} is compressed, as torch.save never does")
    size, total = path.stat().st_size, sum(member.file_size for member in members)
    if total > size:
        raise ValueError(f"its members hold {total:,} bytes, the file only {size:,}")


def check_content(checkpoint: Any, *, size: int) -> None:
    """Raise ValueError where tensors are larger than the file's `size` in bytes, or a path in it climbs (`..`).

    A view that is larger than its storage makes torch enlarge the storage; a stride of 0 makes one number a terabyte.
    Lightning's ModelCheckpoint deletes files that its state names; hyperparameters nobody follows.
    """
    storages: dict[int, int] = {}
    for value in _values(checkpoint):
        if isinstance(value, torch.Tensor):
            if type(value) not in (torch.Tensor, torch.nn.Parameter) or value.layout is not torch.strided:
                raise ValueError(f"it holds a tensor that is not plain ({type(value).__name__}, {value.layout})")
            storage = value.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            if max(value.nbytes, sum(storages.values())) > size:
                raise ValueError(f"its tensors need more than the {size:,} bytes of the file")
    followed = {k: v for k, v in checkpoint.items() if k not in HPARAMS} if isinstance(checkpoint, dict) else checkpoint
    for value in _values(followed):
        if isinstance(value, str) and ".." in PurePath(value.replace("\\", "/")).parts:
            raise ValueError(f"it holds the path {value!r}, which leaves its folder")


def _values(root: Any) -> Iterator[Any]:
    """Yield everything in nested containers once, however deep they are and where they contain themselves."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, (Mapping, list, tuple, set)):
            if id(value) in seen:
                continue
            seen.add(id(value))
            waiting += [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
        else:
            yield value
