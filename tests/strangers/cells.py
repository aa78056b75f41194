"""What becomes of strangers' modules and data in the life of a run: `python -m tests.strangers.cells [PAIR ...]`.

Each cell is commands as a person types them, in a copy of the strangers' folder. Each command is a process of its own,
forked from this one, which has torch and lightning imported already. A cell is `ok` with the lines that said what was
left out, the line that refused it, or `CRASH`: a traceback, no end, or numbers that are not those of the run.
"""

import csv
import json
import os
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.strangers.plain import HERE, PAIRS

EPOCHS = 3
LIMIT_S = 150  # of a command: a few times what the slowest takes
NOTE = re.compile(r"left out|^no test|does not log it|twice|stream as it is|seen after an epoch|cannot be had again")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status (negative: the signal), and what it printed."""

    status: int
    said: str

    @property
    def error(self) -> str | None:
        """The last line that starts with `error:`, or None."""
        return next((line for line in reversed(self.said.splitlines()) if line.startswith("error:")), None)

    @property
    def word(self) -> str:
        """The error, or `ok` and what was said to be left out."""
        notes = [line.strip() for line in self.said.splitlines() if NOTE.search(line)]
        return self.error or " / ".join(dict.fromkeys(["ok", *notes]))


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
    signal.alarm(LIMIT_S)  # ends what waits for ever
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
        self.words += ["+callback=seen"]

    def train(self, *words: str, **how: int) -> Ended:
        """Train with these words more."""
        return command("train", *self.words, *words, folder=self.folder, **how)

    def done(self, ended: Ended) -> Ended:
        """Return the ended command; raise where it failed otherwise than by one line."""
        if "Traceback" in ended.said or (ended.status and not ended.error):
            raise CellError(f"status {ended.status}: {ended.said[-1500:]}")
        return ended

    def record(self, run: str) -> dict[str, Any]:
        """Return the run.json of a run that is done."""
        record = json.loads((self.folder / run / "run.json").read_text())
        if record["state"] != "done":
            raise CellError(f"{run}: state {record['state']}: {record['error']}")
        return record


def whole(pair: Pair) -> str:
    """Train to the end, and say what was left out."""
    ended = pair.done(pair.train("hydra.run.dir=outputs/whole"))
    if not ended.status:
        pair.record("outputs/whole")
    return ended.word


def killed(pair: Pair) -> str:
    """Kill a run amid its second epoch, go on with it, and compare with the whole one."""
    batch = max(2, int(_batches(pair, "outputs/whole") * 1.5))
    ended = pair.train("hydra.run.dir=outputs/killed", kill_at=batch)
    if ended.status != -signal.SIGKILL:
        raise CellError(f"not killed: {ended.said[-500:]}")
    pair.done(command("train", "run=outputs/killed", folder=pair.folder))
    different = _differences(pair.folder / "outputs/whole", pair.folder / "outputs/killed")
    if pair.record("outputs/killed")["metrics"] != pair.record("outputs/whole")["metrics"]:
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
    """Score the whole run again: its own test scores for best.ckpt, those of its last epoch for last.ckpt."""
    scores = pair.record("outputs/whole")["metrics"]
    words = []
    for split, checkpoint in (("test", "best.ckpt"), ("val", "last.ckpt")):
        ended = pair.done(command("eval", "run=outputs/whole", f"split={split}", "checkpoint=all", folder=pair.folder))
        expected = {name: value for name, value in scores.items() if name.startswith(split)}
        if ended.status and expected:
            raise CellError(f"the run has {', '.join(expected)}, and eval none: {ended.error}")
        words.append(str(ended.error) if ended.status else _scored(pair, split, checkpoint, scores, expected))
    return " | ".join(words)


def _scored(pair: Pair, split: str, checkpoint: str, scores: dict[str, float], expected: dict[str, float]) -> str:
    """Hold the row of a split and a checkpoint in eval.csv against the run's own scores."""
    with (pair.folder / "outputs/whole/eval.csv").open(newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if (row["split"], row["checkpoint"]) == (split, checkpoint)]
    found = {name: float(value) for name, value in row.items() if value and name in scores}
    if not found or not expected.keys() <= found.keys():
        raise CellError(f"{split}: the run has {', '.join(scores)}, and eval {', '.join(row)}")
    found = {name: value for name, value in found.items() if "best" not in name}  # of a run: eval has one checkpoint
    wrong = {name: (value, scores[name]) for name, value in found.items() if abs(value - scores[name]) > 1e-6}
    return f"{split} differs: {wrong}" if wrong else "ok"


def swept(pair: Pair) -> str:
    """Sweep two seeds, and report them as one row: mean and deviation of the scores that the two runs have."""
    ended = pair.done(pair.train("-m", "seed=0,1", "sweep=two"))
    if ended.status:
        return ended.word
    pair.done(command("report", "run=outputs/sweeps/two", folder=pair.folder))
    with (pair.folder / "outputs/sweeps/two/report/table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != 1 or rows[0]["n"] != "2":
        raise CellError(f"rows {rows}")
    jobs = sorted(path.parent for path in (pair.folder / "outputs/sweeps/two").glob("*/run.json"))
    one, other = (pair.record(str(job))["metrics"] for job in jobs)
    if one and one == other:
        raise CellError(f"seeds 0 and 1 score the same: {one}")
    for name in one:
        expected = statistics.mean((one[name], other[name])), statistics.stdev((one[name], other[name]))
        found = tuple(float(rows[0][name + part] or "nan") for part in ("", " std"))
        if any(abs(a - b) > 1e-9 + 1e-6 * abs(a) for a, b in zip(expected, found, strict=True)):
            raise CellError(f"{name}: {expected}, and reported {found}")
    return "ok"


def rerun(pair: Pair) -> str:
    """Run the whole run again from its record, to the same bits."""
    ended = pair.done(command("train", "rerun=outputs/whole", "hydra.run.dir=outputs/again", folder=pair.folder))
    if ended.status:
        return ended.word
    different = _differences(pair.folder / "outputs/whole", pair.folder / "outputs/again")
    if not pair.record("outputs/again")["rerun"]["equal"]:
        different.append("by its own word")
    return "ok" if not different else f"differs: {', '.join(different)}"


def in_two_processes(pair: Pair) -> str:
    """Train by DDP in two processes, which hold the same weights and share the samples that one process gets."""
    ended = pair.done(pair.train("trainer=ddp_cpu", "hydra.run.dir=outputs/ddp"))
    if ended.status:
        return ended.word
    pair.record("outputs/ddp")
    alone, shared = (_seen(pair.folder / "outputs" / run) for run in ("whole", "ddp"))
    if len(shared.weights) != 2 or shared.weights[0] != shared.weights[1]:
        raise CellError(f"weights of the ranks: {shared.weights}")
    if alone.rows.keys() != shared.rows.keys():
        raise CellError(f"one process has {list(alone.rows)}, two have {list(shared.rows)}")
    counts = [_shared(place, rows, shared.rows[place]) for place, rows in alone.rows.items()]
    return " / ".join(dict.fromkeys([ended.word, *filter(None, counts)]))


@dataclass(frozen=True)
class Samples:
    """What processes have seen: digests of rows by (split, loader, tensor of the batch); the weights of each."""

    rows: dict[tuple[str, int, int], Counter[str]]
    weights: list[str]


def _seen(run: Path) -> Samples:
    rows: dict[tuple[str, int, int], Counter[str]] = defaultdict(Counter)
    weights = []
    for path in sorted(run.glob("seen-*.jsonl")):
        for line in map(json.loads, path.read_text().splitlines()):
            if "weights" in line:
                weights.append(line["weights"])
                continue
            for number, column in enumerate(line["rows"]):
                rows[line["split"], line["loader"], number].update(column)
    return Samples(rows, weights)


def _shared(place: tuple[str, int, int], alone: Counter[str], shared: Counter[str]) -> str:
    """Return in words how many rows two processes have seen, where that is not what one has."""
    one, two = alone.total(), shared.total()
    lost = len(alone.keys() - shared.keys())
    if (one, lost) == (two, 0):
        return ""
    return f"{place[0]}[{place[1]}].{place[2]}: {two} rows for {one}, {lost} others"


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
    os.environ["ALLOWED_TARGETS"] = "timm"
    only = [name.removeprefix("--") for name in names if name.startswith("--")] or list(CELLS)
    crashed = 0
    for name in [name for name in names if not name.startswith("--")] or PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            pair = Pair(name, Path(folder))
            told: set[str] = set()
            for number in dict.fromkeys(["train", *only]):
                word = cell(pair, number)
                crashed += word.startswith("CRASH")
                notes = [note for note in word.split(" / ") if note not in told or note == "ok"]
                told.update(notes)
                print(f"{name:20} {number:6} {' / '.join(notes)}", flush=True)
                if number == "train" and not word.startswith("ok"):
                    break
    return crashed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
