"""A CSV file of any length is read in the memory of its arrays: no text of it stays beside them."""

import tracemalloc
from pathlib import Path

import pytest

from src.data.read.arrays import Meaning, arrays
from src.data.read.columns import looked_at
from src.data.read.csv_text import CHUNK, sheet

INPUTS = ("a", "b", "c", "d")
ROW = 4 * len(INPUTS) + 8  # bytes of floats and of a class number


def peak(path: Path, rows: int) -> int:
    with path.open("w") as file:
        file.write(",".join((*INPUTS, "kind")) + "\n")
        file.writelines(f"{row * 0.37},{row % 7},{-row},{row * 1e-3},k{row % 3}\n" for row in range(rows))
    meaning = Meaning(INPUTS, (None,) * len(INPUTS), ("kind",), ("k0", "k1", "k2"))
    table = sheet(str(path))
    tracemalloc.start()
    columns, count = looked_at(table)
    read = arrays(table, meaning)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, len(read.target_N), columns["kind"].numbers) == (rows, rows, 0)
    return most


@pytest.mark.slow
def test_a_row_costs_its_numbers_and_little_more(tmp_path: Path) -> None:
    few, many = (peak(tmp_path / f"{rows}.csv", rows) for rows in (2 * CHUNK, 8 * CHUNK))
    assert (many - few) / (6 * CHUNK) < 1.5 * ROW
