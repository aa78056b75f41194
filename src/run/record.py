"""`run.json`: what a run was and where it stands; a reader never sees half of it."""

import json
import logging
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import Container, OmegaConf

from src.config.renamed import FORMAT, check_format
from src.run.repository import FRAMEWORK, framework, git
from src.run.write import write

log = logging.getLogger(__name__)

PACKAGES = (
    *("torch", "torchvision", "lightning", "hydra-core", "omegaconf", "torchmetrics", "tensorboard", "numpy"),
    *("pillow", "scikit-learn"),  # they decode and bundle images
)


class Record:
    """The run.json of one folder; `update` merges fields in and writes the file."""

    def __init__(self, folder: Path):
        self.path = folder / "run.json"
        self.has_stepped = False  # since this process opened it
        self.fields: dict[str, Any] = read(folder) if self.path.exists() else {}

    def update(self, **fields: Any) -> None:
        """Set fields and write them: after a crash the old file or the new one is there, never a torn one."""
        self.fields.update(fields)
        write(self.path, json.dumps(self.fields, indent=2))


def read(folder: Path) -> dict[str, Any]:
    """Return the fields of a folder's run.json.

    Raises ValueError where it is no JSON object, is of a later format, or names a best checkpoint that is no file name
    inside the folder.
    """
    path = folder / "run.json"
    try:
        fields = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    check_format(fields, path)
    best = fields.get("best") or {"checkpoint": None}
    where = best.get("checkpoint") if isinstance(best, dict) else best
    inside = isinstance(best, dict) and (folder / str(where)).resolve().is_relative_to(folder.resolve())
    if not inside or not isinstance(where, str | None):
        raise ValueError(f"{path} is damaged: best.checkpoint={where} is no file of the run folder")
    return fields


@contextmanager
def recording(folder: Path, facts: Mapping[str, Any]) -> Iterator[Record]:
    """Keep run.json while a run runs: `running`, then `done`, `pruned`, `failed` with its error, or `interrupted`.

    `facts` are the fields known before: overrides, config_hash, seed, model, data, tags. A run that is resumed keeps
    its command and its start, and its seconds add up.
    """
    record = Record(folder)
    before = record.fields
    start_s = time.monotonic() - (before.get("seconds") or 0)
    record.update(
        format=check_format(before, record.path) if before else FORMAT,
        state="running",
        command=before.get("command", command_line(sys.argv)),
        **facts,
        git=git(folder),
        versions=versions(),
        host=host(),
        started=before.get("started", now()),
        ended=None,
        seconds=None,
        error=None,
    )
    try:
        yield record
    except BaseException as raised:
        state = "failed" if isinstance(raised, Exception) else "interrupted"
        if state == "interrupted":
            log.warning("%s: python -m src.train %s goes on", raised or "interrupted", shlex.quote(f"run={folder}"))
        close = {"state": state, "error": {"type": type(raised).__name__, "message": str(raised)}}
        raise
    else:
        close = {"state": "pruned" if "pruned" in record.fields else "done"}
    finally:
        try:
            record.update(**close, ended=now(), seconds=round(time.monotonic() - start_s, 3))
        except OSError as error:  # a full disk ended the run: that error is the one to show
            if close["state"] in ("done", "pruned"):
                raise
            log.warning("%s stays as it was: %s", record.path, error)


def keep(folder: Path, name: str, config: Container) -> None:
    """Write `.hydra/<name>.yaml` of a run folder."""
    path = folder / ".hydra" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    write(path, OmegaConf.to_yaml(config))


def now() -> str:
    """The local time with its offset, to the microsecond, as ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="microseconds")


def command_line(argv: Sequence[str]) -> str:
    """The command as one would type it: `python -m src.train ...` for a module of this package."""
    program = Path(argv[0])
    start = f"python -m src.{program.stem}" if program.parent.name == "src" else program.name
    return f"{start} {shlex.join(argv[1:])}".rstrip()


def versions() -> dict[str, str]:
    """The versions of Python, of the framework, and of the packages that a result may depend on.

    Of a checkout beside the person's repository also its commit, `0.4.0+1f2e3d4c5b6a`.
    """
    found = {"python": platform.python_version(), FRAMEWORK: framework()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a test of the record alone runs without them
            continue
    return found


def host() -> dict[str, Any]:
    """The processor's name, the threads torch uses within and between operations, and the names of the GPUs.

    No torch, no threads and GPUs.
    """
    torch = sys.modules.get("torch")
    return {
        "cpu": cpu(),
        "threads": torch.get_num_threads() if torch else None,
        "interop_threads": torch.get_num_interop_threads() if torch else None,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch else [],
    }


def cpu() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # macOS
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
