"""What the tests share: commands run in this process, a finished run to look at, no network."""

import json
import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny nets: more threads would wait for each other

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from src.run.record import read
from tests.browser import browser as browser

ROOT = Path(__file__).parents[1]
FAST = ("model=softmax_regression", "debug=fast")  # one batch of each split: no checkpoint, no logger
UNDRAWN = "~callback.figures"  # no pictures, which take longer than a short training
DRAWN = ("model=softmax_regression", "trainer.max_epochs=1")  # a whole run, about a second
SHORT = (*DRAWN, UNDRAWN)


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, what it printed, and the run folders that it left."""

    code: int
    out: str
    err: str
    runs: list[Path]

    @property
    def run(self) -> Path:
        """The one run folder it left."""
        (run,) = self.runs
        return run

    @property
    def error(self) -> str:
        """The one line that a refused command prints: no more, and no traceback."""
        lines = self.err.splitlines()
        assert self.code == 1
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0]


Command = Callable[..., Ended]
Made = Callable[..., Path]


@contextmanager
def as_found() -> Iterator[None]:
    """Put back what a command changes in its process: environment, arguments, folder, logging, Hydra's state."""
    environment, argv, folder, path = dict(os.environ), sys.argv, Path.cwd(), list(sys.path)
    names = (None, "src.traceback", "src.shown", "src.sweep", "lightning.pytorch", "lightning.fabric")
    loggers = [logging.getLogger(name) for name in names]
    state = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        for logger, handlers, level, propagate in state:
            for handler in set(logger.handlers) - set(handlers):
                handler.close()
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate
        os.chdir(folder)
        sys.argv, sys.path[:] = argv, path
        os.environ.clear()
        os.environ.update(environment)


def call(command: str, folder: Path, *arguments: str) -> Ended:
    """Run `python -m src.<command>` in `folder`, but in this process; the exit code is what Python makes of it."""
    main = import_module(f"src.{command}").main
    before = set(folder.rglob("run.json"))
    out, err, code = StringIO(), StringIO(), 0
    with as_found(), redirect_stdout(out), redirect_stderr(err):
        os.chdir(folder)
        sys.argv = [str(ROOT / "src" / f"{command}.py"), *arguments]
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            if isinstance(end.code, str):
                print(end.code, file=err)
    forget(folder)
    runs = sorted(path.parent for path in set(folder.rglob("run.json")) - before)
    return Ended(code, out.getvalue(), err.getvalue(), runs)


def forget(folder: Path) -> None:
    """Let go of the modules that were imported from `folder`: another test has others under the same names."""
    for name, module in list(sys.modules.items()):
        if (file := getattr(module, "__file__", None)) and Path(file).is_relative_to(folder):
            del sys.modules[name]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A working folder that the test may change: the strangers' package `lab` beside their `conf`."""
    strangers = ROOT / "tests" / "strangers"
    forget(strangers / "lab")  # another test may have imported the package where it lies
    for part in ("lab", "conf"):
        shutil.copytree(strangers / part, tmp_path / "own" / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "own"


@pytest.fixture
def stranger(lab: Path) -> Command:
    """A command in a copy of the strangers' folder: `stranger("train", "model=tutorial", "data=tutorial")`.

    It runs in this process; its runs lie under `outputs` of the copy.
    """
    return lambda command, *arguments: call(command, lab, *arguments)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def train(tmp_path: Path) -> Command:
    """`src.train` in the test's own folder."""
    return lambda *arguments: call("train", tmp_path, *arguments)


@pytest.fixture
def evaluate(tmp_path: Path) -> Command:
    """`src.eval` in the test's own folder."""
    return lambda *arguments: call("eval", tmp_path, *arguments)


@pytest.fixture
def report(tmp_path: Path) -> Command:
    """`src.report` in the test's own folder."""
    return lambda *arguments: call("report", tmp_path, *arguments)


@pytest.fixture
def explore(tmp_path: Path) -> Command:
    """`src.explore` in the test's own folder."""
    return lambda *arguments: call("explore", tmp_path, *arguments)


@pytest.fixture
def predict(tmp_path: Path) -> Command:
    """`src.predict` in the test's own folder."""
    return lambda *arguments: call("predict", tmp_path, *arguments)


@pytest.fixture
def explain(tmp_path: Path) -> Command:
    """`src.explain` in the test's own folder."""
    return lambda *arguments: call("explain", tmp_path, *arguments)


@pytest.fixture
def export(tmp_path: Path) -> Command:
    """`src.export` in the test's own folder."""
    return lambda *arguments: call("export", tmp_path, *arguments)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the digits, two epochs, that no test may change."""
    folder = tmp_path_factory.mktemp("original")
    ended = call("train", folder, "model=softmax_regression", "trainer.max_epochs=2")
    assert ended.code == 0, ended.err
    return ended.run


@pytest.fixture
def finished(original: Path, tmp_path: Path) -> Path:
    """A finished run under `outputs` of the test's own folder, that the test may damage."""
    return Path(shutil.copytree(original, tmp_path / "outputs" / "2026-11-20" / original.name))


@pytest.fixture
def make(original: Path, tmp_path: Path) -> Made:
    """Make a run folder under `outputs`: the finished run, with other settings in its config and other fields."""

    def made(name: str, *, settings: dict[str, Any] | None = None, score: float | None = None, **fields: Any) -> Path:
        folder = tmp_path / "outputs" / name
        shutil.copytree(original, folder, ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))
        config = OmegaConf.load(folder / ".hydra" / "config.yaml")
        for path, value in (settings or {}).items():
            OmegaConf.update(config, path, value, force_add=True)
        OmegaConf.save(config, folder / ".hydra" / "config.yaml")
        record = read(folder)
        record["overrides"] += [f"{path}={value}" for path, value in (settings or {}).items()]
        if score is not None:
            record["best"]["value"] = score
        (folder / "run.json").write_text(json.dumps(record | fields))
        return folder

    return made


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name but this machine's is looked up: a download fails at once, on a machine with a network too."""
    look_up = socket.getaddrinfo

    def refuse(host: Any, *arguments: Any, **options: Any) -> Any:
        if host in ("localhost", "127.0.0.1"):  # a browser's driver
            return look_up(host, *arguments, **options)
        raise socket.gaierror("the tests have no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
