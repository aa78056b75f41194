"""Tensors in a file that is mapped into memory: read as they are used, one copy for all processes of a machine.

The file holds the tensors one after the other, a JSON list of what they are, its length, and a checksum of all that.

Shapes: N bytes.
"""

import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

ALIGNED = 64  # bytes: a tensor starts where every dtype may
LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")  # of the JSON list; the CRC-32 of all before it
TAIL = LENGTH.size + CHECKSUM.size

Part = bytes | memoryview


def packed(tensors: Sequence[Tensor]) -> list[Part]:
    """Return the parts of the file that holds the tensors, in order."""
    parts: list[Part] = []
    for tensor in tensors:
        parts.append(flat(tensor))
        parts.append(bytes(-tensor.nbytes % ALIGNED))
    listed = json.dumps([[str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for tensor in tensors]).encode()
    parts += [listed, LENGTH.pack(len(listed))]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return [*parts, CHECKSUM.pack(checksum)]


def unpacked(path: Path) -> list[Tensor]:
    """Return the tensors of a file, mapped; raises ValueError where it is not as it was written, OSError without one.

    4 GB/s where the system has the file in memory. Whoever changes a tensor changes a copy of his own, never the file.
    """
    bytes_N = mapped(path)
    data = bytes_N.numpy().data
    if len(data) < TAIL or CHECKSUM.unpack(data[-CHECKSUM.size :]) != (zlib.crc32(data[: -CHECKSUM.size]),):
        raise ValueError(f"{path} is damaged")
    (length,) = LENGTH.unpack(data[-TAIL : -CHECKSUM.size])
    tensors, start = [], 0
    for name, shape in json.loads(bytes(data[-TAIL - length : -TAIL])):
        dtype = getattr(torch, name)
        end = start + torch.Size(shape).numel() * dtype.itemsize
        tensors.append(bytes_N[start:end].view(dtype).view(shape))
        start = end + -end % ALIGNED
    return tensors


def mapped(path: Path) -> Tensor:
    """Return the bytes of a file as uint8 (N,), mapped; raises OSError where it cannot be read."""
    with path.open("rb") as file:  # torch.from_file raises RuntimeError, whatever is wrong
        size = file.seek(0, 2)
    return torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8) if size else torch.empty(0).byte()


def flat(tensor: Tensor) -> memoryview:
    """Return the bytes of a tensor, in order."""
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
