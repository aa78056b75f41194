"""What a finished run says at its end: scores, time, speed, where it lies, and what to do next."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from src.run.record import read


def show(folder: Path) -> None:
    """Print a run's table and the commands for what comes next."""
    run = read(folder)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in sorted(
        run["metrics"].items(), key=lambda item: ("train val test".find(item[0].split("/")[0]), item[0])
    ):
        table.add_row(name, f"{value:.4f}")
    best = run["best"]
    if best["checkpoint"]:
        table.add_row(
            f"best {best['metric']}", f"{best['value']:.4f} in epoch {best['epoch'] + 1} ({best['checkpoint']})"
        )
    table.add_row("time", f"{run['seconds']:.1f} s, {run['epochs']} epochs, {run['steps']} steps")
    if run["samples_per_second"]:
        table.add_row(
            "training", f"{run['samples_per_second']:,.0f} samples/s, {run['parameters']['total']:,} parameters"
        )
    table.add_row("folder", str(folder))
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    if best["checkpoint"]:
        console.print(f"next: python -m src.eval run={folder}", markup=False)
        console.print(f"      tensorboard --logdir {folder}", markup=False)
