"""Where the console scripts start: src-train is `lightning_hydra_experiments:train`, a module that no folder has twice.

A person's folder may have a package `src` of its own, which `python -m src.train` takes, by Python's rules.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent


def __getattr__(command: str) -> Callable[[], None]:
    """Return what `src-<command>` calls: `main` of the framework's `src.<command>`, whatever else is called `src`."""
    if command.startswith("_"):
        raise AttributeError(command)

    def start() -> None:
        found = find_spec("src")
        is_ours = found is not None and found.origin == str(HERE / "src" / "__init__.py")
        if not is_ours or (Path.cwd() / "src").is_dir():  # the processes that it starts look here first, too
            sys.path.insert(0, str(HERE))
        import_module(f"src.{command}").main()

    return start
