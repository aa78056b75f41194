"""Whether what src.fit.quick uses of Lightning is what it was verified for; without it Lightning goes its own way."""

import logging
from functools import cache
from importlib import import_module
from types import ModuleType

import lightning

log = logging.getLogger(__name__)

VERIFIED = ("2.6.",)  # the starts of the versions of Lightning


def quick() -> ModuleType | None:
    """Return src.fit.quick, or None under a version of Lightning that nobody has verified it for, in one line.

    Training is slower then and otherwise the same; a run goes on from its last checkpoint as Lightning itself would,
    which is exact between epochs alone.
    """
    return _known(lightning.__version__, VERIFIED)


@cache
def _known(version: str, verified: tuple[str, ...]) -> ModuleType | None:
    if version.startswith(verified):
        return import_module("src.fit.quick")
    log.warning(
        "lightning %s: the short way through a step is known for %s alone: training is slower and the same, and a run "
        "that is stopped amid an epoch goes on as Lightning has it",
        version,
        ", ".join(f"{start}x" for start in verified),
    )
    return None
