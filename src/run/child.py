"""A child process of a command: started, watched, stopped, and gone when the command is, however that ends."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO


class Child:
    """`python -m module`, in a session of its own: Ctrl-C reaches the command alone, which passes it on, once.

    Its standard input is open as long as this process lives, for `end_with_parent`. It prints where this process does;
    where `errors` or `output` are kept, they go to a file without a name, for `printed`, and output without them
    nowhere. `environment` is what differs from this process's.
    """

    def __init__(
        self, module: str, *words: str, environment: Mapping[str, str], errors: bool = False, output: bool = False
    ):
        self._printed: IO[bytes] | None = tempfile.TemporaryFile() if errors or output else None  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *words],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=self._printed if output else subprocess.DEVNULL if errors else None,
            stderr=self._printed,
            start_new_session=True,  # which can be killed as a whole
        )
        self.pid = self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is over; its own children may not be."""
        return self._process.poll() is not None

    @property
    def code(self) -> int | None:
        """The exit code, below 0 where a signal killed it; None as long as it runs."""
        return self._process.poll()

    def fate(self) -> str:
        """Say how a process that is over ended."""
        code = self._process.returncode
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def printed(self) -> str:
        """Return what was kept of what it has printed, until `end`."""
        assert self._printed is not None
        self._printed.seek(0)
        return self._printed.read().decode(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to the process, not to its children."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the process and all of its children at once."""
        if os.name != "posix":
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):  # macOS: a zombie's group
            os.killpg(self.pid, signal.SIGKILL)

    def end(self, wait_s: float | None) -> None:
        """Wait until the process is over, for `wait_s` at most where that is a number; leave none of its children."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(wait_s)
        self.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]  # a pipe
        if self._printed:
            self._printed.close()


def end_with_parent(leave: Callable[[], None]) -> None:
    """Call `leave`, in a thread of its own, when the process that started this one as a `Child` is gone."""

    def wait() -> None:
        os.read(0, 1)  # which never writes; not sys.stdin, whose lock Python would wait for at its end
        leave()

    threading.Thread(target=wait, daemon=True).start()
