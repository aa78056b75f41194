"""Standard input, output and error, whether they are open, closed, or a pipe that nobody reads any more; torch-free."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIPE = 128 + 13  # how a shell reports a program that SIGPIPE ended


@contextmanager
def usable_streams() -> Iterator[None]:
    """Let what was closed (`>&-`) be nothing, so that no file gets its number; end quietly where a reader went away."""
    open_closed()
    try:
        yield
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(error.__cause__ or error, BrokenPipeError) or not _is_gone():
            raise
        raise SystemExit(PIPE) from None
    finally:
        if _is_gone():
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python would complain of it at its end


def open_closed() -> None:
    """Open the null device in place of each stream that is closed, for this process and its children."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115  # as long as the program


def _is_gone() -> bool:
    """Whether nobody reads standard output any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False
