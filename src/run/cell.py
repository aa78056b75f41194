"""Texts as the cells of a CSV that a spreadsheet shows and does not compute: `=HYPERLINK(...)` may be a file's name."""

from typing import TypeVar

Value = TypeVar("Value")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what begins like this is computed (OWASP, CSV injection)


def cell(value: Value) -> Value | str:
    """Return a value as a cell: a text that would be a formula gets an apostrophe, which spreadsheets do not show."""
    if not isinstance(value, str) or not value.startswith((*FORMULA, "'")) or _is_number(value):
        return value
    return f"'{value}"


def text(cell: str) -> str:
    """Return the text that a cell was made of."""
    return cell[1:] if cell.startswith("'") else cell


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
