"""Rows of text as a table on the screen."""

from collections.abc import Collection, Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[int] = ()) -> None:
    """Print rows under their columns, those numbered in `right` to the right; floats have four decimals.

    A wide table wraps instead of losing columns, and a name in brackets is no markup.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    screen = Table(box=None, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        screen.add_column(Text(name), justify="right" if number in right else "left", no_wrap=True)
    for row in rows:
        screen.add_row(*(Text(f"{cell:.4f}" if isinstance(cell, float) else str(cell)) for cell in row))
    Console(soft_wrap=True, highlight=False, width=100_000).print(screen)
