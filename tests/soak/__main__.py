"""Runs long series of trials and prints each as a table; the exit code is 1 where one failed.

make soak
python -m tests.soak kill --kills 50 --seed 1
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.soak.kill import trials

Cells = tuple[str, ...]
Series = Callable[[argparse.Namespace, Path], Iterator[tuple[bool, Cells]]]


def killed(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[bool, Cells]]:
    """Yield whether a trial of `kill` went well, and its cells."""
    for trial in trials(folder, kills=arguments.kills, seed=arguments.seed):
        moments = ", ".join(f"{count} {moment}" for moment, count in sorted(trial.kills.items()))
        verdict = f"DIFFERS: {', '.join(trial.differs)}" if trial.differs else "same bits, same rows"
        yield not trial.differs, (trial.name, str(trial.kills.total()), moments, verdict, f"{trial.seconds:.0f} s")


SERIES: dict[str, tuple[Cells, Series]] = {
    "kill": (("run", "kills", "moments", "against the run that was not killed", "time"), killed),
}


def main() -> int:
    """Run the series that the command line names, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("series", nargs="*", choices=[*SERIES, []], help="default: all")
    parser.add_argument("--kills", type=int, default=50, help="of runs, in `kill`; default: 50")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments; default: 0")
    arguments = parser.parse_args()
    failed = 0
    for name in arguments.series or SERIES:
        header, series = SERIES[name]
        table = Table(*header, box=None, title=name, title_justify="left")
        with tempfile.TemporaryDirectory() as folder:
            for is_well, cells in series(arguments, Path(folder)):
                print("  ".join(cells), flush=True)
                table.add_row(*cells)
                failed += not is_well
        Console(width=200, highlight=False).print(table)
    print(f"{failed} failed" if failed else "all went well")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
