"""Checkpoints as plain data: what torch.load with weights_only opens, whatever a module or a callback put in."""

import logging
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

log = logging.getLogger(__name__)

PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
HPARAMS = ("hyper_parameters", "datamodule_hyper_parameters")  # Lightning's keys for what save_hyperparameters() keeps
_NONE = object()


def plain_checkpoint(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint whose every value is a plain container, number, text or tensor.

    Hyperparameters that are none, such as nets and partials, become the text that describes them: they are for people
    to read, and the recorded config builds the module. Elsewhere a value that plain data cannot hold is left out, and
    a line in the log says where: nobody could load a checkpoint with it.
    """
    kept: dict[str, Any] = {}
    for key, value in checkpoint.items():
        part = _plain(value, key, describes=key in HPARAMS)
        if part is not _NONE:
            kept[key] = part
    return kept


def _plain(value: Any, path: str, *, describes: bool) -> Any:
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, Mapping):
        found = ((key, _plain(part, f"{path}.{key}", describes=describes)) for key, part in value.items())
        return {_plain(key, path, describes=True): part for key, part in found if part is not _NONE}
    if type(value) in PLAIN:
        return value
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (str, bytes, bytearray)):
        kind = tuple if isinstance(value, tuple) else set if isinstance(value, (set, frozenset)) else list
        parts = (_plain(part, f"{path}[{number}]", describes=describes) for number, part in enumerate(value))
        return kind(part for part in parts if part is not _NONE)
    return _simplified(value, path, describes=describes)


def _simplified(value: Any, path: str, *, describes: bool) -> Any:
    """Return what stands for a value of another class, or nothing where nothing does."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Enum):
        return _plain(value.value, path, describes=describes)
    if isinstance(value, (str, PurePath)):
        return str(value)
    if isinstance(value, (int, float)):
        return float(value) if isinstance(value, float) else int(value)
    if describes:
        return f"{value!r:.1000}"
    log.warning("checkpoint: %s is a %s, which plain data cannot hold: left out", path, type(value).__qualname__)
    return _NONE
