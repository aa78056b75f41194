"""`src.train` that kills itself with signal 9 at a moment: python -m tests.soak.victim MOMENT COUNT ARGUMENTS.

MOMENT is a key of MOMENTS, and COUNT the call of it at which to die, from 1.
"""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

MOMENTS = {
    "amid a step": ("torch.optim.adam", "Adam", "step"),  # the weights of some layers are new, say
    "amid validation": ("src.model.supervised", "Supervised", "validation_step"),
    "amid a write": ("os", None, "fsync"),
    "amid a rename": ("os", None, "replace"),
    "amid a checkpoint": ("src.run.checkpoint_io", "CheckpointIO", "save_checkpoint"),
    "amid a point": ("src.fit.csv_logger", "CSV", "log_metrics"),
}


def die_at(moment: str, count: int) -> None:
    """Let the `count`th call of the moment's function be the last that this process does."""
    module, cls, name = MOMENTS[moment]
    owner: Any = getattr(import_module(module), cls) if cls else import_module(module)
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(owner, name, counted)


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    from src.train import main

    main()
