"""A CSV file with what a net says of each row behind its columns: everything else stays as it is written.

Shapes: B rows at a time, C columns, K classes or numbers.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from src.data.header import Header
from src.data.read.arrays import Meaning, read_inputs
from src.data.read.columns import is_missing
from src.data.read.csv_text import CHUNK, Sheet, records, sheet
from src.data.read.readable import label
from src.run.cell import cell
from src.run.write import whole


class Annotated(NamedTuple):
    """How many rows there are, and what is to be said of them."""

    rows: int
    notes: list[str]


def annotate(model: Any, data: Any, source: str, path: Path, *, device: torch.device) -> Annotated:
    """Write the rows of the CSV file `source` to `path` with what the model says of each; in its encoding and order.

    Of classes that is `prediction` and `P(<class>)` of each, of numbers `prediction`, of several one of each. Raises
    ValueError, and writes nothing, where a column is missing, or holds text in place of a number.
    """
    table, header = sheet(source), data.header
    meaning = _meaning(header)
    is_text = data.vocabulary is not None
    for name in [data.tokenizing.text] if is_text else meaning.inputs:
        table.position(name, key="data.text" if is_text else "data.inputs")
    model.to(device).eval()
    unknown, count = Counter[tuple[str, str]](), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part, part.open("w", encoding=table.encoding, errors="backslashreplace", newline="") as out:
        lines = records(table)
        out.write(_joined(table, next(lines)[0], _names(data.classes, header.targets, table.columns)))
        for batch in _batched(lines):
            rows = [(row, line) for _, row, line in batch if row]
            if is_text:
                place = table.position(data.tokenizing.text, key="data.text")
                input_BC = data.tokenizing.hashed(row[place] for row, _ in rows)
            else:
                read = read_inputs(table, meaning, [row for row, _ in rows], [line for _, line in rows])
                input_BC = torch.from_numpy(read)
            with torch.inference_mode():
                said_B = model.predict(model(data.normalize(input_BC.to(device)))).double().cpu()
            unknown += _unknown(table, meaning, [row for row, _ in rows])
            said = _said(said_B, data.classes)
            out.writelines(_joined(table, text, next(said)) if row else text for text, row, _ in batch)
            count += len(rows)
    return Annotated(count, [f"{name}: {rows:,} rows {reason}" for (name, reason), rows in sorted(unknown.items())])


def _meaning(header: Header) -> Meaning:
    known = tuple(None if some is None else tuple(some) for some in header.categories or ())
    return Meaning(tuple(header.inputs or ()), known, ())


def _batched(lines: Iterator[tuple[str, list[str], int]]) -> Iterator[list[tuple[str, list[str], int]]]:
    batch = []
    for line in lines:
        batch.append(line)
        if len(batch) == CHUNK:
            yield batch
            batch = []
    if any(row for _, row, _ in batch):
        yield batch


def _names(classes: Sequence[str] | None, targets: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Return the names of the new columns, numbered where the file has some that are called so."""
    names = ["prediction", *(f"P({name})" for name in classes or ())]
    if classes is None and len(targets) > 1:
        names = [f"prediction({name})" for name in targets]
    endings = ("", *(f"_{number}" for number in range(2, len(taken) + 3)))
    return next(found for ending in endings if not {*(found := [name + ending for name in names])} & {*taken})


def _said(said_B: Tensor, classes: Sequence[str] | None) -> Iterator[list[Any]]:
    if classes is None:
        yield from said_B.reshape(len(said_B), -1).tolist()
        return
    probability_BK = torch.stack([1 - said_B, said_B], dim=1) if said_B.ndim == 1 else said_B
    number_B = (said_B > 0.5).long() if said_B.ndim == 1 else said_B.argmax(dim=1)  # as torchmetrics decides
    for number, probabilities in zip(number_B.tolist(), probability_BK.tolist(), strict=True):
        yield [classes[number], *probabilities]


def _joined(table: Sheet, text: str, values: Sequence[Any]) -> str:
    """Return a row as it is written, with more cells behind it."""
    added = StringIO()
    csv.writer(added, delimiter=table.delimiter, lineterminator="").writerow([cell(value) for value in values])
    body = text.rstrip("\r\n")
    return body + table.delimiter + added.getvalue() + (text[len(body) :] or "\n")


def _unknown(table: Sheet, meaning: Meaning, rows: Sequence[Sequence[str]]) -> Counter[tuple[str, str]]:
    """Count the rows whose value the net does not know, by column and by what stands for it."""
    found = Counter[tuple[str, str]]()
    for name, categories in zip(meaning.inputs, meaning.categories, strict=True):
        place = table.position(name, key="data.inputs")
        if categories is None:
            found[name, "are empty, the mean of training stands for them"] += sum(
                is_missing(row[place]) for row in rows
            )
        else:
            known = {*categories}
            reason = "are of no category that training had, and stand for none"
            found[name, reason] += sum(label(row[place].strip()) not in known for row in rows)
    return +found
