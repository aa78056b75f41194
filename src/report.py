"""Compares runs in one table, best first: `python -m src.report run=outputs/sweeps/digits`."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from src.command.entry import command
from src.run.write import check_writable, write

if TYPE_CHECKING:
    from src.view.average import Row
    from src.view.table import Table

SHOWN = 30  # rows on screen, and lines about runs that are not done; the files have all


@command("report")
def main(cfg: DictConfig) -> None:
    """Print the table of the chosen runs, and store it and the page beside them."""
    from src.config.schema import Report, check_top
    from src.run.folder import find

    check_top(cfg, Report)
    folder = find("last") if cfg.run == "last" else Path(cfg.run)
    report(folder, tags=list(cfg.tags), fold=list(cfg.fold), latex=cfg.latex, out=Path(cfg.out or folder))


def report(folder: Path, *, tags: Collection[str], fold: Collection[str], latex: bool, out: Path) -> None:
    """Compare the runs in `folder` that have all of `tags`; what is in `fold` may differ within a row.

    On screen, and as table.md, table.csv, index.html and, where asked for, table.tex in `report` of the folder `out`.
    """
    from src.view import average as folding
    from src.view import table as tables
    from src.view.differences import printable
    from src.view.gather import gather
    from src.view.page import page

    runs = gather(folder, tags=tags)
    rows, paths = folding.fold(runs, fold), folding.differing(runs, fold)
    table = tables.table(rows, paths)
    lines = list(unfinished(rows))
    show(table, lines)
    title = printable(folder.resolve().name)
    files = {
        "table.md": tables.markdown(table),
        "table.csv": tables.comma_separated(rows, paths),
        "index.html": page(title, table, rows, paths),
    }
    if latex:
        files["table.tex"] = tables.latex(table)
    store(out / "report", files)


def unfinished(rows: Sequence["Row"]) -> Iterator[str]:
    """Yield a line for each run that is not done: its folder, its state and its error."""
    for run in sorted((run for row in rows for run in row.runs if run.state != "done"), key=lambda run: run.name):
        yield f"{run.name}: {run.state}{': ' if run.error else ''}{run.error}"


def show(table: "Table", lines: Sequence[str]) -> None:
    """Print the first rows of the table, and the first of the runs that are not done."""
    from src.view import screen

    screen.table(table.header, ([cell.text for cell in row] for row in table.rows[:SHOWN]), right=table.numeric)
    if len(table.rows) > SHOWN:
        print(f"and {len(table.rows) - SHOWN} more rows")
    for line in lines[:SHOWN]:
        print(line)
    if len(lines) > SHOWN:
        print(f"and {len(lines) - SHOWN} more runs that are not done")


def store(folder: Path, files: dict[str, str]) -> None:
    """Write the files and print where they are; each is there in full or as it was."""
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write(folder / name, text)
    print(f"report: {folder}/{', '.join(files)}")


if __name__ == "__main__":
    main()
