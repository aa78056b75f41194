"""Rows as one HTML page that needs nothing but itself: a table to sort and filter, and pictures."""

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.view.average import Row
from src.view.points import Curve, curves, thin
from src.view.table import Cell, Table, all_scores

TEMPLATE = Path(__file__).with_name("page.html")
SCRIPTS = [Path(__file__).with_name(name) for name in ("pictures.js", "page.js")]
POINTS = 60_000  # of all curves together: about 1 MB


def page(title: str, table: Table, rows: Sequence[Row], paths: Sequence[str]) -> str:
    """Return the page: the table, the curves, and the settings `paths` against the scores.

    What stands in the run folders reaches it as data and never as markup, and only its own script may run in it.
    """
    found = {run.name: curves(run.folder) for row in rows for run in row.runs}
    points = max(2, min(400, POINTS // max(1, sum(len(each) for each in found.values()))))
    names = all_scores(rows)
    data = {
        "header": table.header,
        "numeric": sorted(table.numeric),
        "monitor": rows[0].monitor[0],
        "settings": list(paths),
        "scores": names,
        "rows": [_row(row, cells, paths, names) for row, cells in zip(rows, table.rows, strict=True)],
        "runs": {
            run.name: {
                "state": run.state,
                "error": run.error,
                "curves": {name: _curve(thin(curve, points)) for name, curve in found[run.name].items()},
            }
            for row in rows
            for run in row.runs
        },
    }
    script = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {"title": html.escape(title), "digest": digest, "data": _json(data), "script": script}
    return re.sub(r"\{\{(\w+)\}\}", lambda name: parts[name[1]], TEMPLATE.read_text(encoding="utf-8"))


def _row(row: Row, cells: Sequence[Cell], paths: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """A row as the script reads it: its cells, the values of its settings, and [mean, std] of each of its scores."""
    found = [row.score(name) for name in names]
    return {
        "cells": [[cell.text, _finite(cell.value)] for cell in cells],
        "settings": [cell.text if cell.value is None else cell.value for cell in cells[: len(paths)]],
        "scores": [None if each is None else [_finite(each.mean), _finite(each.std)] for each in found],
        "runs": [run.name for run in row.runs],
    }


def _curve(curve: Curve) -> list[list[Any]]:
    return [curve[0], [float(f"{value:.5g}") if math.isfinite(value) else None for value in curve[1]]]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _json(data: Any) -> str:
    """JSON that may stand inside a script element: nothing in it ends the element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
