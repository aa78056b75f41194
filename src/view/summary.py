"""What a finished run says at its end: scores, time, speed, where it lies, and what to do next."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from src.plot.score_names import in_order
from src.run.record import read


def show(folder: Path) -> None:
    """Print a run's table and the commands for what comes next."""
    run = read(folder)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name in sorted(run["metrics"], key=in_order):
        table.add_row(name, f"{run['metrics'][name]:.4f}")
    best = run["best"]
    if best["checkpoint"] and best["value"] is not None:
        table.add_row(
            f"best {best['metric']}", f"{best['value']:.4f} in epoch {best['epoch'] + 1} ({best['checkpoint']})"
        )
    table.add_row("time", f"{run['seconds']:.1f} s, {run['epochs']} epochs, {run['steps']} steps")
    if run.get("samples_per_second"):
        table.add_row(
            "training", f"{run['samples_per_second']:,.0f} samples/s, {run['parameters']['total']:,} parameters"
        )
    table.add_row("folder", str(folder))
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    if best["checkpoint"]:
        console.print(f"next: python -m src.eval run={folder}", markup=False)
        console.print(f"      tensorboard --logdir {folder}", markup=False)
