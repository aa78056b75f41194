"""Whatever happens to a run, in any order, its folder is whole, its test samples stay unseen, its curve is the curve.

A run of a few pictures is trained, stopped, resumed, lengthened, scored and reported while files are added, renamed,
changed and removed. Each picture is of one grey of its own, so that what a net sees says which samples they were.
"""

import csv
import errno
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from omegaconf import OmegaConf
from PIL import Image
from torch import nn

from src.run.record import read
from tests.conftest import Ended, call
from tests.fuzz.claim import CLAIMS, LONG, QUICK

BASE = (
    *("model=softmax_regression", "data=image_folder", "data.root=photos", "data.batch_size=4", "data.cache=false"),
    *("data.random_resized_crop=null", "data.horizontal_flip=false", "data.val_fraction=0.2", "scheduler=none"),
    *("logger=csv", "callback=[checkpoint,guard]", "trainer.log_every_n_steps=1"),
)
MEAN, STD = 0.449, 0.226  # of grey pictures
MOST_EPOCHS = 3
RATES = st.sampled_from((0.01, 0.05))
END = {"done", "failed", "interrupted"}
STOPS = st.one_of(
    st.none(), st.tuples(st.sampled_from(("signal", "signals", "error", "disk")), st.integers(1, 12))
)  # what happens at which step, or write


class PlannedError(Exception):
    """What a fuzzed run fails with."""


class Seen:
    """What the net was given while it trained and while it did not, as greys; the rates of its steps."""

    def __init__(self) -> None:
        self.trained: set[int] = set()
        self.judged: set[int] = set()
        self.rates: set[float] = set()
        self.most = 0

    def look(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        if isinstance(module, nn.Linear) and not (x_BD := given[0]).is_meta and x_BD.shape[1] == 36:
            greys = ((x_BD.detach().mean(dim=1) * STD + MEAN) * 255).round().int().tolist()
            (self.trained if module.training else self.judged).update(greys)
            self.most = max(self.most, len(greys) if module.training else 0)


@contextmanager
def watched(stop: tuple[str, int] | None) -> Iterator[Seen]:
    """Look at what a net sees, and let what is to happen happen."""
    seen, steps, writes = Seen(), [0], [0]
    step, fsync = torch.optim.Adam.step, os.fsync
    kind, when = stop or ("", 0)

    def stepped(optimizer: Any, *arguments: Any, **options: Any) -> Any:
        if optimizer.param_groups[0]["params"][0].numel() == 1:  # the check before compute takes a step, too
            return step(optimizer, *arguments, **options)
        seen.rates |= {group["lr"] for group in optimizer.param_groups}
        steps[0] += 1
        if steps[0] == when and kind.startswith("signal"):
            for _ in range(2 if kind == "signals" else 1):
                signal.raise_signal(signal.SIGTERM)
        if steps[0] == when and kind == "error":
            raise PlannedError("as planned")
        return step(optimizer, *arguments, **options)

    def synced(number: int) -> None:
        writes[0] += 1
        if writes[0] == when and kind == "disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    hook = nn.modules.module.register_module_forward_pre_hook(seen.look)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", stepped)
        patch.setattr(os, "fsync", synced)
        try:
            yield seen
        finally:
            hook.remove()


def picture(path: Path, grey: int, *, more: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 6), grey).save(path, "BMP")
    with path.open("ab") as file:
        file.write(bytes(more))


def photos(root: Path) -> dict[str, int]:
    """Write pictures of two classes; return the grey of each by its name below `root`."""
    greys = {f"{'cat' if number % 2 else 'dog'}/{number:02d}.bmp": 8 * number for number in range(24)}
    for name, grey in greys.items():
        picture(root / name, grey)
    return greys


def curve(run: Path) -> list[dict[str, str]]:
    """The points of training and validation, without the time that they took."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = [
            {key: row[key] for key in row if "seconds" not in key and "test/" not in key}
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if any(value for key, value in row.items() if key not in ("step", "epoch"))]


def contents(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.suffix != ".log"
    }


WHOLE: dict[float, list[dict[str, str]]] = {}  # by rate: the curve of a run that nothing disturbed


def whole(rate: float) -> list[dict[str, str]]:
    if rate not in WHOLE:
        with tempfile.TemporaryDirectory() as name:
            photos(Path(name) / "photos")
            ended = call("train", Path(name), *BASE, f"optimizer.lr={rate}", f"trainer.max_epochs={MOST_EPOCHS}")
            assert ended.code == 0, ended.err
            WHOLE[rate] = curve(ended.run)
    return WHOLE[rate]


class Life(RuleBasedStateMachine):
    """A run, the folder of its data, and what must hold of both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.root = self.folder / "photos"
        self.greys = photos(self.root)  # of every picture that there ever was, by name
        self.run: Path | None = None
        self.rate, self.epochs, self.number = 0.0, 0, 0
        self.is_intact = True  # the data, whenever the run trained
        self.tested: list[str] = []  # the samples of its test score

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @property
    def splits(self) -> dict[str, dict[str, int]]:
        """The names and sizes that the run lists, by split; none before it has."""
        path = (self.run or self.folder) / "splits.json"
        return (
            {key: value["samples"] for key, value in json.loads(path.read_text())["splits"].items()}
            if path.exists()
            else {}
        )

    def there(self, split: str) -> list[str]:
        """The listed samples of a split whose files are as they were."""
        sizes = {name: (self.root / name).stat().st_size if (self.root / name).exists() else -1 for name in self.greys}
        return [name for name, size in self.splits.get(split, {}).items() if sizes[name] == size]

    @property
    def is_trainable(self) -> bool:
        return len(self.there("train")) == len(self.splits.get("train", {}))

    @property
    def state(self) -> str:
        return read(self.run)["state"] if self.run else "none"

    def command(self, name: str, *arguments: str, stop: tuple[str, int] | None = None) -> tuple[Ended, Seen]:
        """Run a command and check what holds after any."""
        with watched(stop) as seen:
            ended = call(name, self.folder, *arguments)
        assert "Traceback" not in ended.err, ended.err
        if ended.code == 1:
            last = ended.err.splitlines()[-1]
            assert last.startswith("error: "), ended.err
            assert "HYDRA_FULL_ERROR" not in last or "as planned" in last, last
        else:
            assert ended.code == 0 or (ended.code == 143 and stop and stop[0].startswith("signal")), (
                ended.code,
                ended.err,
            )
        assert not [*self.folder.rglob("*.part")]
        if self.splits:
            greys = {split: {self.greys[name] for name in names} for split, names in self.splits.items()}
            assert seen.trained <= greys["train"]
            assert not seen.trained & (greys["test"] | greys["val"])
            assert seen.most <= 4
        return ended, seen

    def train(self, *arguments: str, stop: tuple[str, int] | None) -> Ended:
        """Start the run or go on with it, and check what its folder says of it."""
        ended, seen = self.command("train", *arguments, stop=stop)
        if self.run is None or not (self.run / "run.json").exists():
            assert ended.code == 1
            self.run = None
            return ended
        record = read(self.run)
        assert record["state"] in END
        if ended.code == 0:
            assert record["state"] == "done"
            self.tested = self.tested if "is done" in ended.err else self.there("test")
            assert record["epochs"] == self.epochs
            config: Any = OmegaConf.load(self.run / ".hydra" / "config.yaml")
            assert config.trainer.max_epochs == self.epochs
            assert config.optimizer.lr == self.rate
            assert seen.rates <= {self.rate}
        if record["state"] == "done" and self.is_intact:
            assert curve(self.run) == [row for row in whole(self.rate) if int(row["epoch"]) < record["epochs"]]
        return ended

    @initialize(rate=RATES, epochs=st.integers(1, 2), stop=STOPS)
    def begin(self, rate: float, epochs: int, stop: tuple[str, int] | None) -> None:
        self.start_one(rate, epochs, stop)

    @precondition(lambda self: self.run is None)
    @rule(rate=RATES, epochs=st.integers(1, 2), stop=STOPS)
    def start(self, rate: float, epochs: int, stop: tuple[str, int] | None) -> None:
        self.start_one(rate, epochs, stop)

    def start_one(self, rate: float, epochs: int, stop: tuple[str, int] | None) -> None:
        self.number += 1
        self.rate, self.epochs, self.run = rate, epochs, self.folder / f"run{self.number}"
        self.is_intact = self.is_as_at_first()
        name = f"hydra.run.dir={self.run.name}"
        ended = self.train(*BASE, f"optimizer.lr={rate}", f"trainer.max_epochs={epochs}", name, stop=stop)
        assert ended.code == 0 or stop

    @precondition(lambda self: self.run)
    @rule(stop=STOPS, longer=st.booleans())
    def go_on(self, stop: tuple[str, int] | None, longer: bool) -> None:
        assert self.run
        was_done, epochs, before = self.state == "done", self.epochs, contents(self.run)
        longer = longer and self.epochs < MOST_EPOCHS
        is_trainable, self.epochs = self.is_trainable, self.epochs + longer
        was_intact = self.is_intact
        self.is_intact &= self.is_as_at_first()
        ended = self.train(f"run={self.run.name}", *[f"trainer.max_epochs={self.epochs}"] * longer, stop=stop)
        if was_done and not longer:
            assert ended.code == 0
            assert contents(self.run) == before
            self.is_intact = was_intact
        elif not is_trainable:
            assert ended.code == 1
            assert contents(self.run) == before
            self.epochs, self.is_intact = epochs, was_intact
        elif not stop:
            assert ended.code == 0, ended.err
        if self.run and ended.code and contents(self.run) == before:
            self.epochs, self.is_intact = epochs, was_intact

    @precondition(lambda self: self.run)
    @rule(checkpoint=st.sampled_from(("best", "last")), split=st.sampled_from(("test", "val")))
    def score(self, checkpoint: str, split: str) -> None:
        assert self.run
        ended, seen = self.command("eval", f"run={self.run.name}", f"checkpoint={checkpoint}", f"split={split}")
        assert not seen.trained
        if ended.code == 0:
            assert {self.greys[name] for name in self.there(split)} <= seen.judged
            record, (*_, row) = read(self.run), csv.DictReader((self.run / "eval.csv").read_text().splitlines())
            is_same = self.there("test") == self.tested
            if split == "test" and checkpoint == "best" and self.state == "done" and is_same:
                for name, value in record["metrics"].items():
                    assert not name.startswith("test/") or float(row[name]) == value, name
        else:
            assert self.state != "done", ended.err

    @precondition(lambda self: self.run)
    @rule()
    def predict(self) -> None:
        assert self.run
        ended, seen = self.command("predict", f"run={self.run.name}", "input=test")
        assert not seen.trained
        if ended.code == 0:
            lines = (self.run / "predictions" / "input_test.jsonl").read_text().splitlines()
            wanted = [name for name in self.splits["test"] if (self.root / name).exists()]
            assert sorted(json.loads(line)["path"] for line in lines) == sorted(f"photos/{name}" for name in wanted)
        else:
            assert self.state != "done", ended.err

    @precondition(lambda self: self.run)
    @rule()
    def report(self) -> None:
        assert self.run
        ended, _ = self.command("report", f"run={self.run.name}")
        assert ended.code == 0
        (row,) = csv.DictReader((self.run / "report" / "table.csv").read_text().splitlines())
        assert row["state"] == self.state

    @precondition(lambda self: self.state == "done")
    @rule()
    def rerun(self) -> None:
        assert self.run
        ended, _ = self.command("train", f"rerun={self.run.name}")
        if self.is_intact and self.is_as_at_first() and "lengthened" not in read(self.run):
            assert ended.code == 0, ended.err
            assert "bit for bit equal" in ended.err

    @rule(change=st.sampled_from(("added", "renamed", "changed", "removed")), which=st.integers(0, 23))
    def change(self, change: str, which: int) -> None:
        there = sorted(name for name in self.greys if (self.root / name).exists())
        name = there[which % len(there)]
        other = f"{name.split('/')[0]}/{'a' if which % 2 else 'z'}{len(self.greys)}.bmp"
        if change == "added":
            self.greys[other] = len(self.greys) * 8 % 256 + 1
            picture(self.root / other, self.greys[other])
        elif change == "renamed":
            self.greys[other] = self.greys[name]
            (self.root / name).rename(self.root / other)
        elif change == "changed":
            picture(self.root / name, self.greys[name], more=which + 1)
        elif len(there) > 16:
            (self.root / name).unlink()

    @rule()
    def restore(self) -> None:
        shutil.rmtree(self.root)
        photos(self.root)

    def is_as_at_first(self) -> bool:
        names = {str(path.relative_to(self.root)): path.stat().st_size for path in self.root.rglob("*.bmp")}
        return len(names) == 24 and len(set(names.values())) == 1 and set(names) <= set([*self.greys][:24])


def trial(profile: settings, **bounds: int) -> Callable[[], None]:
    return lambda: run_state_machine_as_test(Life, settings=settings(profile, **bounds))


CLAIMS["a run's life"] = trial(LONG, max_examples=8, stateful_step_count=12)


def test_whatever_happens_to_a_run_its_folder_is_whole_and_its_test_samples_are_unseen() -> None:
    trial(QUICK, max_examples=1, stateful_step_count=2)()


def test_a_life_with_a_bit_of_everything_holds_too() -> None:
    life = Life()
    try:
        life.begin(0.01, 2, ("signal", 6))  # amid the second epoch
        life.go_on(("disk", 3), False)
        life.go_on(None, False)  # to the end, and the curve that it would have had
        life.change("added", 20)
        life.change("renamed", 2)
        life.score("best", "test")
        life.go_on(None, True)
        life.restore()
        life.rerun()
    finally:
        life.teardown()
