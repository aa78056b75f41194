"""What any model gives for a batch, as plain containers and, where it is one per sample, as rows.

Shapes: B batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from src.fit.leaves import samples

LONGEST = 256  # values in a row: more are no row that anybody reads
PLAIN = (str, int, float, bool, type(None))
Row = dict[str, Any]


def plain_output(output: Any) -> Any:
    """Return what a model gave as dicts, lists, tuples and tensors on the CPU; an object as a dict of its fields."""
    return apply_to_collection(opened(output), Tensor, lambda part: part.detach().cpu())


def opened(output: Any) -> Any:
    """Return what a model gave as dicts, lists and tuples; an object as a dict of its fields."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, np.ndarray | np.generic):
        return torch.as_tensor(output) if output.ndim and output.dtype.kind in "biuf" else output.tolist()
    if isinstance(output, PLAIN):
        return output
    if isinstance(output, tuple) and (names := getattr(output, "_fields", None)):
        output = dict(zip(names, output, strict=True))
    if isinstance(output, list | tuple):
        return type(output)(opened(part) for part in output)
    fields = output if isinstance(output, Mapping) else getattr(output, "__dict__", None)
    return str(output) if fields is None else {str(name): opened(part) for name, part in fields.items()}


def rows_of(output: Any, batch: Any) -> list[Row] | None:
    """Return a row per sample of what a model gave for a batch; None where that is none, or more than a row holds.

    A tensor (B, ...) is a column `prediction`; dicts, tuples and lists of columns are such by their names or numbers; a
    list with an entry per sample is rows.
    """
    number = samples(batch)
    columns = dict(_columns(output, number))
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or (number is not None and lengths != {number}):
        return None
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if set(columns) == {"prediction"} and all(isinstance(row["prediction"], dict) for row in rows):
        rows = [row["prediction"] for row in rows]
    return rows if all(_size(row) <= LONGEST for row in rows) else None


def _columns(output: Any, samples: int | None, name: str = "") -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield (name, a value per sample) of each column; one without values for what is not per sample."""
    parts: Any = None
    if isinstance(output, Mapping):
        parts = output.items()
    elif isinstance(output, list | tuple) and _are_columns(output, samples):
        parts = enumerate(output)
    if parts is not None:
        for key, part in parts:
            yield from _columns(part, samples, f"{name}.{key}".lstrip("."))
    elif output is not None:
        values = listed(output)
        yield name or "prediction", values if isinstance(values, list) else []


def _are_columns(parts: Sequence[Any], samples: int | None) -> bool:
    """Whether each part has a value per sample, where it could also be that each part is of a sample."""
    if not parts or not all((isinstance(part, Tensor) and part.ndim) or isinstance(part, list) for part in parts):
        return False
    lengths = {len(part) for part in parts}
    are_equal = len(lengths) == 1 if samples is None else lengths == {samples}
    return are_equal and (isinstance(parts, tuple) or len(parts) != samples)


def listed(value: Any) -> Any:
    """Return a plain output with lists and numbers in place of its tensors."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: listed(part) for name, part in value.items()}
    return [listed(part) for part in value] if isinstance(value, list | tuple) else value


def _size(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 1
