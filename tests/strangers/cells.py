"""What becomes of strangers' modules and data in the life of a run: `python -m tests.strangers.cells [PAIR ...]`.

Each cell is commands as a person types them, in a copy of the strangers' folder. Each command is a process of its own,
forked from this one, which has torch and lightning imported already. A cell is `ok`, a line of words that says what was
left out or refused, or `CRASH`.
"""

import csv
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.strangers.plain import HERE, PAIRS

EPOCHS = 3


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status (negative: the signal), and what it printed."""

    status: int
    said: str

    @property
    def error(self) -> str | None:
        """The last line that starts with `error:`, or None."""
        return next((line for line in reversed(self.said.splitlines()) if line.startswith("error:")), None)


class CellError(AssertionError):
    """What should hold does not."""


def command(name: str, *words: str, folder: Path, kill_at: int | None = None) -> Ended:
    """Run `python -m src.<name> <words>` in `folder`; with `kill_at` it is killed in that many batches of training."""
    said = folder / f".said-{time.monotonic_ns()}"
    child = os.fork()
    if not child:
        _run(name, words, folder, said, kill_at)
    _, code = os.waitpid(child, 0)
    text = said.read_text(errors="replace")
    said.unlink()
    return Ended(os.waitstatus_to_exitcode(code), text)


def _run(name: str, words: tuple[str, ...], folder: Path, said: Path, kill_at: int | None) -> None:
    os.chdir(folder)
    screen = os.open(said, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(screen, 1)
    os.dup2(screen, 2)
    sys.path.insert(0, str(folder))
    sys.argv = [str(HERE.parents[1] / "src" / f"{name}.py"), *words]
    status = 1
    try:
        if kill_at is not None:
            _die_at(kill_at)
        from importlib import import_module

        import_module(f"src.{name}").main()
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _die_at(batches: int) -> None:
    """Let this process kill itself with SIGKILL at the start of training batch number `batches`, from 0."""
    from src.fit.guard import Guard

    before, seen = Guard.on_train_batch_start, 0

    def start(*arguments: object) -> None:
        nonlocal seen
        if seen == batches:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1
        before(*arguments)

    Guard.on_train_batch_start = start


class Pair:
    """One model and its data, in a folder of its own."""

    def __init__(self, name: str, folder: Path):
        model, data, options = PAIRS[name]
        self.name = name
        self.folder = folder
        for part in ("lab", "conf"):
            shutil.copytree(HERE / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        self.words = [f"model={model}", f"data={data}", *(f"trainer.{key}={value}" for key, value in options.items())]
        self.words += [f"trainer.max_epochs={EPOCHS}", "~callback.figures", "callback.checkpoint.every_n_steps=3"]

    def train(self, *words: str, **how: int) -> Ended:
        """Train with these words more."""
        return command("train", *self.words, *words, folder=self.folder, **how)

    def done(self, ended: Ended) -> Ended:
        """Return the ended command; raise where it failed otherwise than by one line."""
        if ended.status and not ended.error:
            raise CellError(ended.said[-1500:])
        if "Traceback" in ended.said:
            raise CellError(ended.said[-1500:])
        return ended


def whole(pair: Pair) -> str:
    """Train to the end, and say what was left out."""
    ended = pair.done(pair.train("hydra.run.dir=outputs/whole"))
    if ended.status:
        return str(ended.error)
    record = json.loads((pair.folder / "outputs/whole/run.json").read_text())
    if record["state"] != "done":
        raise CellError(f"state {record['state']}")
    return "ok"


def killed(pair: Pair) -> str:
    """Kill a run amid its second epoch, go on with it, and compare with the whole one."""
    record = json.loads((pair.folder / "outputs/whole/run.json").read_text())
    batch = max(2, int(_batches(pair, "outputs/whole") * 1.5))
    ended = pair.train("hydra.run.dir=outputs/killed", kill_at=batch)
    if ended.status != -signal.SIGKILL:
        raise CellError(f"not killed: {ended.said[-500:]}")
    pair.done(command("train", "run=outputs/killed", folder=pair.folder))
    found = json.loads((pair.folder / "outputs/killed/run.json").read_text())
    if found["state"] != "done":
        return f"CRASH {found.get('error')}"
    different = _differences(pair.folder / "outputs/whole", pair.folder / "outputs/killed")
    if found["metrics"] != record["metrics"] and not different:
        different.append("run.json")
    return "ok" if not different else f"differs: {', '.join(different)}"


def _batches(pair: Pair, run: str) -> float:
    from src.run.checkpoint_io import load

    last = load(pair.folder / run / "checkpoints" / "last.ckpt")
    return last["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"] / EPOCHS


def _differences(one: Path, other: Path) -> list[str]:
    """Return what of two runs is not equal: rows of metrics.csv without times, weights."""
    import torch

    from src.run.checkpoint_io import load

    tables = []
    for folder in (one, other):
        path = folder / "metrics.csv"
        rows = list(csv.DictReader(path.open())) if path.exists() else []
        tables.append([{key: value for key, value in row.items() if "seconds" not in key} for row in rows])
    found = [] if tables[0] == tables[1] else ["metrics.csv"]
    for name in ("last", "best"):
        paths = [folder / "checkpoints" / f"{name}.ckpt" for folder in (one, other)]
        weights = [load(path)["state_dict"] for path in paths]
        if weights[0].keys() != weights[1].keys() or not all(
            torch.equal(weights[0][k], weights[1][k]) for k in weights[0]
        ):
            found.append(f"{name}.ckpt")
    return found


def evaluated(pair: Pair) -> str:
    """Score the whole run again: the same number from the folder alone."""
    words = []
    for split in ("test", "val"):
        ended = pair.done(command("eval", "run=outputs/whole", f"split={split}", folder=pair.folder))
        words.append("ok" if not ended.status else str(ended.error))
    record = json.loads((pair.folder / "outputs/whole/run.json").read_text())["metrics"]
    path = pair.folder / "outputs/whole/eval.csv"
    for row in csv.DictReader(path.open()) if path.exists() else ():
        wrong = [
            name
            for name, value in row.items()
            if row["split"] == "test" and value and name in record and abs(float(value) - record[name]) > 1e-6
        ]
        if wrong:
            raise CellError(f"{wrong[0]} is {row[wrong[0]]}, and was {record[wrong[0]]}")
    return " | ".join(words)


def swept(pair: Pair) -> str:
    """Sweep two seeds, and report them as one row."""
    ended = pair.done(pair.train("-m", "seed=0,1", "sweep=two"))
    if ended.status:
        return str(ended.error)
    pair.done(command("report", "run=outputs/sweeps/two", folder=pair.folder))
    rows = list(csv.DictReader((pair.folder / "outputs/sweeps/two/report/table.csv").open()))
    if len(rows) != 1 or rows[0]["n"] != "2":
        raise CellError(f"rows {rows}")
    return "ok"


def rerun(pair: Pair) -> str:
    """Run the whole run again from its record, to the same bits."""
    ended = pair.done(command("train", "rerun=outputs/whole", folder=pair.folder))
    return "ok" if not ended.status else str(ended.error)


def in_two_processes(pair: Pair) -> str:
    """Train by DDP in two processes."""
    ended = pair.done(pair.train("trainer=ddp_cpu", "hydra.run.dir=outputs/ddp"))
    return "ok" if not ended.status else str(ended.error)


CELLS: dict[str, Callable[[Pair], str]] = {
    "train": whole,
    "kill": killed,
    "eval": evaluated,
    "sweep": swept,
    "rerun": rerun,
    "ddp": in_two_processes,
}


def cell(pair: Pair, name: str) -> str:
    """Return what became of one cell."""
    try:
        return CELLS[name](pair)
    except Exception as error:  # a cell that breaks is a cell
        return f"CRASH {type(error).__name__}: {str(error)[-1500:]}"


def main(names: list[str]) -> int:
    """Print a line for each cell; return how many crashed."""
    import lightning  # noqa: F401  # before the forks
    import torch

    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    only = [name.removeprefix("--") for name in names if name.startswith("--")] or list(CELLS)
    crashed = 0
    for name in [name for name in names if not name.startswith("--")] or PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            pair = Pair(name, Path(folder))
            for number in dict.fromkeys(["train", *only]):
                word = cell(pair, number)
                crashed += word.startswith("CRASH")
                print(f"{name:20} {number:6} {word}", flush=True)
                if number == "train" and word != "ok":
                    break
    return crashed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
