"""A table on the screen has every cell, in one line per row, whatever the cells hold."""

import pytest

from src.view.screen import table


def test_cells_stand_under_their_columns_and_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table(["name [red]", "loss", "n"], [["[bold]a[/bold]", 0.123456, 7], ["b", 12.0, None]], right=[1])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["name [red]         loss  n", "[bold]a[/bold]   0.1235  7", "b               12.0000  None"]


def test_a_wide_row_stays_one_line_with_all_of_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table([f"column {number}" for number in range(60)], [[number * 1000 for number in range(60)]])
    head, row = capsys.readouterr().out.splitlines()
    assert "column 59" in head
    assert "59000" in row
