"""Which of Lightning's stages is the last of a run."""

from typing import Any

import lightning


def is_last(trainer: lightning.Trainer, *, test: bool) -> bool:
    """Whether the run ends with the stage that `trainer` is in.

    That is the test where there is a test split and `test` says that it is scored, else the fit.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]  # Lightning's own, undeclared
    tests = test and "test" in getattr(data, "splits", ("test",))
    return trainer.state.fn == ("test" if tests else "fit")
