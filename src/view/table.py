"""Rows as a table: cells to show and to sort by, and from them Markdown and LaTeX; a CSV of all scores."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from src.plot.score_names import ORDER, in_order, split_of
from src.run.cell import cell
from src.view.average import MISSING, Row, Score

ABSENT = "—"  # what a run does not have
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}  # other signs in TeX's oldest fonts
LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number it is sorted by where it is one."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """A header and cells under it; `numeric` are the columns that stand to the right."""

    header: list[str]
    rows: list[list[Cell]]
    numeric: frozenset[int]


def table(rows: Sequence[Row], paths: Sequence[str]) -> Table:
    """Return rows with the settings `paths`, their scores, number, time, parameters and state."""
    names = shown_scores(rows)
    header = [*paths, *names, "n", "time", "parameters", "state"]
    cells = [
        [
            *(_setting(row.setting(path)) for path in paths),
            *(_score(row.score(name), row) for name in names),
            Cell(str(len(row.done)), len(row.done)),
            _mean([run.seconds for run in row.done], "{:,.1f} s"),
            _mean([run.parameters for run in row.runs], "{:,.0f}"),
            Cell(row.state),
        ]
        for row in rows
    ]
    return Table(header, cells, frozenset(range(len(paths), len(header) - 1)))


def shown_scores(rows: Sequence[Row]) -> list[str]:
    """Return the names of the scores to show: what is monitored, and the test scores or, without any, others."""
    found = all_scores(rows)
    best = [name for name in found if name.startswith("best ")]
    of = {split: [name for name in found if name not in best and split_of(name) == split] for split in (*ORDER, None)}
    return [*best, *(of["test"] or of["val"] or of[None] or of["train"])]


def all_scores(rows: Sequence[Row]) -> list[str]:
    """Return the names of all scores: the best ones by the rows' order, then train, val, test and others."""
    best = dict.fromkeys(f"best {row.monitor[0]}" for row in rows if row.monitor[0])
    others = {name for row in rows for run in row.runs for name in run.scores} - set(best)
    return [*best, *sorted(others, key=in_order)]


def number(value: float, like: float | None = None) -> str:
    """Return a number with four decimals, in powers of ten where `like` it has other magnitudes than these show."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    magnitude = abs(value if like is None else like)
    return f"{value:.4f}" if not magnitude or 1e-3 <= magnitude < 1e5 else f"{value:.3e}"


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, with columns that line up as text too."""
    lines = [[_markdown(text) for text in line] for line in _texts(table)]
    widths = [max(3, *(len(line[k]) for line in lines)) for k in range(len(table.header))]
    rule = ["-" * (width - 1) + (":" if k in table.numeric else "-") for k, width in enumerate(widths)]
    sides = [str.rjust if k in table.numeric else str.ljust for k in range(len(widths))]
    head, *body = [[side(text, width) for side, text, width in zip(sides, line, widths, strict=True)] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *body))


def latex(table: Table) -> str:
    r"""Return the table as a LaTeX tabular, to \input; it needs the package booktabs."""
    lines = [" & ".join(_latex(text) for text in line) for line in _texts(table)]
    # After a row's end a bracket or a star would be its argument.
    head, *body = [("{}" if line.startswith(("[", "*")) else "") + line + r" \\" for line in lines]
    columns = "".join("r" if k in table.numeric else "l" for k in range(len(table.header)))
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def comma_separated(rows: Sequence[Row], paths: Sequence[str]) -> str:
    """Return a CSV with every score in full: its mean, `std` and `n` in columns of their own; and the rows' folders."""
    names = all_scores(rows)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    parts = [f"{name}{part}" for name in names for part in ("", " std", " n")]
    writer.writerow(map(cell, [*paths, *parts, "n", "seconds", "parameters", "state", "runs"]))
    for row in rows:
        settings = ["" if (value := row.setting(path)) is MISSING else value for path in paths]
        scores = [part for name in names for part in _parts(row.score(name))]
        means = [_average([run.seconds for run in row.done]), _average([run.parameters for run in row.runs])]
        folders = " ".join(run.name for run in row.runs)
        writer.writerow(map(cell, [*settings, *scores, len(row.done), *means, row.state, folders]))
    return file.getvalue()


def _setting(value: Any) -> Cell:
    if value is MISSING:
        return Cell(ABSENT)
    if value is None or isinstance(value, bool):  # as YAML writes them
        return Cell("null" if value is None else str(value).lower())
    return Cell(str(value), float(value) if isinstance(value, (int, float)) else None)


def _score(found: Score | None, row: Row) -> Cell:
    if found is None:
        return Cell(ABSENT)
    spread = "" if found.std is None else f" ± {number(found.std, like=found.mean)}"
    missing = "" if found.n == len(row.done) else f" ({found.n} of {len(row.done)})"
    return Cell(number(found.mean) + spread + missing, found.mean)


def _mean(values: Sequence[float | None], shape: str) -> Cell:
    mean = _average(values)
    return Cell(ABSENT) if mean is None else Cell(shape.format(mean), mean)


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else None
    return int(mean) if mean is not None and mean.is_integer() else mean


def _parts(found: Score | None) -> list[Any]:
    return ["", "", 0] if found is None else [found.mean, "" if found.std is None else found.std, found.n]


def _texts(table: Table) -> list[list[str]]:
    return [table.header, *([cell.text for cell in row] for row in table.rows)]


def _markdown(text: str) -> str:
    return re.sub(r"[\\`*<>\[|~&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def _latex(text: str) -> str:
    escaped = "".join(LATEX.get(character, character) for character in text)
    return escaped.replace("±", r"$\pm$").replace(ABSENT, "---")
