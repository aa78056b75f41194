"""What a finished run says at its end: scores, time, speed, where it lies, and what to do next."""

import logging
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.plot.score_names import in_order
from src.run.record import read

log = logging.getLogger("src.shown")


def show(folder: Path) -> None:
    """Print a run's table and the commands for what comes next."""
    run = read(folder)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in facts(run, folder):
        table.add_row(Text(name), Text(value))  # a name in brackets is no markup
    with StringIO() as text:
        Console(file=text, soft_wrap=True, width=100_000).print(table)
        lines = [line.rstrip() for line in text.getvalue().splitlines()]
    lines += next_steps(run, folder)
    with suppress(BrokenPipeError):  # nobody reads on: the run is done all the same
        print("\n".join(lines))
    log.info("%s", "\n".join(lines))


def facts(run: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what a run came to, each with its name."""
    for name in sorted(run["metrics"], key=in_order):
        yield name, f"{run['metrics'][name]:.4f}"
    best = run["best"]
    if best["checkpoint"] and best["value"] is not None:
        yield f"best {best['metric']}", f"{best['value']:.4f} in epoch {best['epoch'] + 1} ({best['checkpoint']})"
    yield "time", f"{run['seconds']:.1f} s, {run['epochs']} epochs, {run['steps']} steps"
    if run.get("samples_per_second"):
        yield "training", f"{run['samples_per_second']:,.0f} samples/s, {run['parameters']['total']:,} parameters"
    yield "folder", str(folder)


def next_steps(run: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the commands for what comes next, to be pasted; TensorBoard where there is something for it to show."""
    if not run["best"]["checkpoint"]:
        return []
    steps = [f"python -m src.eval {shlex.quote(f'run={folder}')}"]
    if (folder / "tensorboard").is_dir():
        steps.append(f"tensorboard --logdir {shlex.quote(str(folder))}")
    return [f"{'next:' if number == 0 else '     '} {step}" for number, step in enumerate(steps)]
