"""How a CSV file is written: its encoding, its delimiter, the names of its columns; and its rows, some at a time."""

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from src.data.read.readable import label, readable

DELIMITERS = ",;\t|"
ENCODINGS = ("utf-8-sig", "cp949")  # tried in this order; utf-8-sig is UTF-8 with or without a mark at its start
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
OTHERS = {  # by how they begin
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx)",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls)",
    b"\x1f\x8b": "compressed (.gz)",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"SQLite": "a database",
}
LOOKED_AT = 50  # rows that the delimiter is found by
CHUNK = 8192  # rows at a time
BYTES = 2**20

Rows = list[list[str]]


class Sheet(NamedTuple):
    """A CSV file and how it is written; `columns` are the names in its first row, readable and without blanks."""

    path: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]

    def position(self, name: str, *, key: str) -> int:
        """Return where a column is; raises ValueError that suggests the nearest name."""
        if (wanted := label(name)) in self.columns:
            return self.columns.index(wanted)
        near = get_close_matches(wanted, self.columns, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(self.columns[:20])}"
        raise ValueError(f"{key}={name}: {readable(self.path)} has no such column: {hint}")


def sheet(path: str, *, encoding: str | None = None) -> Sheet:
    """Return how a file is written; raises FileNotFoundError, or ValueError where it is no table with named columns."""
    place = Path(path)
    if not place.is_file():
        near = get_close_matches(place.name, _beside(place), n=1)
        hint = f"did you mean {place.with_name(near[0])}?" if near else "set data.file=... to a CSV file"
        raise FileNotFoundError(f"data.file={path}: there is no such file: {hint}")
    stat = place.stat()
    return _sheet(path, encoding, stat.st_size, stat.st_mtime_ns)


def chunks(table: Sheet) -> Iterator[tuple[Rows, list[int]]]:
    """Yield rows behind the names, some at a time, and the line that each ends in; empty lines are left out.

    Raises ValueError, naming the line, for a row with more or fewer fields than there are names.
    """
    with _opened(table.path, table.encoding) as file:
        reader = csv.reader(file, delimiter=table.delimiter)
        _numbered(table.path, reader)
        while True:
            rows, lines = _numbered(table.path, reader, CHUNK)
            if not rows and not lines:
                return
            for row, line in zip(rows, lines, strict=True):
                if len(row) != len(table.columns):
                    raise ValueError(_ragged(table, row, line))
            yield rows, lines


def records(table: Sheet) -> Iterator[tuple[str, list[str], int]]:
    """Yield each row as it is written, its fields and the line that it ends in: the names, and empty lines, too.

    Raises ValueError as `chunks` does.
    """
    taken = list[str]()

    def noted(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    with _opened(table.path, table.encoding) as file:
        reader = csv.reader(noted(file), delimiter=table.delimiter)
        for row in reader:
            if row and len(row) != len(table.columns):
                raise ValueError(_ragged(table, row, reader.line_num))
            yield "".join(taken), row, reader.line_num
            taken.clear()


@lru_cache(maxsize=8)  # of a file as it is now: every job of a sweep asks
def _sheet(path: str, encoding: str | None, size: int, changed_ns: int) -> Sheet:
    name = readable(path)
    with open(path, "rb") as file:
        start = file.read(8)
    if not size or not start.strip():
        raise ValueError(f"{name} is empty: data.file= is a CSV file with the columns' names in its first row")
    for mark, kind in OTHERS.items():
        if start.startswith(mark):
            raise ValueError(
                f"{name} is {kind} and no CSV file: unpack it, or save it as CSV, and set data.file= to it"
            )
    encoding = _encoding(path, encoding, start)
    with _opened(path, encoding) as file:
        lines = list(islice(file, LOOKED_AT))
    delimiter = _delimiter(lines)
    with _opened(path, encoding) as file:
        rows, _ = _numbered(path, csv.reader(file, delimiter=delimiter))
    columns = tuple(label(field.strip()) for field in rows[0]) if rows else ()
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise ValueError(f"{name}: two columns are called {twice[0]}: rename one")
    return Sheet(path, encoding, delimiter, columns)


def _encoding(path: str, given: str | None, start: bytes) -> str:
    """Return the encoding that is given, or the first of those tried, that the whole file is written in."""
    for encoding in [given] if given else ["utf-16"] if start.startswith(UTF16) else ENCODINGS:
        try:
            decoder = codecs.getincrementaldecoder(encoding)()
            with open(path, "rb") as file:
                while part := file.read(BYTES):
                    decoder.decode(part)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        except LookupError as error:
            raise ValueError(f"data.encoding={given}: Python knows no such encoding: leave it out") from error
        return encoding
    if given:
        raise ValueError(f"data.encoding={given}: {readable(path)} is written in another: leave it out")
    raise ValueError(
        f"{readable(path)} is neither UTF-8 nor CP949: save it as UTF-8, or set data.encoding=latin-1 or another"
    )


def _ragged(table: Sheet, row: Sequence[str], line: int) -> str:
    return (
        f"{readable(table.path)}, line {line}: {len(row)} fields, and {len(table.columns)} columns have names: a field "
        "with the delimiter in it stands in quotes"
    )


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that parts most lines into as many fields as the first, and into most."""

    def fits(delimiter: str) -> tuple[float, int]:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        fields = len(rows[0]) if rows else 0
        return (sum(len(row) == fields for row in rows) / len(rows) if fields > 1 else 0.0, fields)

    return max(DELIMITERS, key=fits)


def _numbered(path: str, reader: Any, most: int = 1) -> tuple[Rows, list[int]]:
    """Return the next rows that are not empty, and the line that each ends in."""
    rows, lines = Rows(), list[int]()
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
            if len(rows) == most:
                break
    except csv.Error as error:
        raise ValueError(
            f"{readable(path)}, line {reader.line_num + 1}: {error}: it is no text of a CSV file"
        ) from error
    return rows, lines


def _opened(path: str, encoding: str) -> TextIO:
    return open(path, encoding=encoding, newline="")


def _beside(place: Path) -> list[str]:
    return [path.name for path in place.parent.iterdir()] if place.parent.is_dir() else []
