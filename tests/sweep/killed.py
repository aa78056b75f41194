"""Runs `src.train` in forked copies of itself, each killed with -9 before its n-th change on the disk.

`python -m tests.sweep.killed FOLDER KILLS ARGUMENTS`: nothing kills FOLDER/whole; FOLDER/<n> is killed once
and then started again. The forks spare importing torch for each.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import lightning  # noqa: F401  # now, and not in each fork

from tests.conftest import call

CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.truncate")


def run(folder: Path, arguments: list[str], *, kill_at: int = 0) -> int:
    """Return the exit code of the command in `folder`, which has the number of changes afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    made = 0

    def count(event: str, details: tuple[Any, ...]) -> None:
        nonlocal made
        writes = event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and "sweeps" in str(details[0]):
            made += 1
            if made == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    ended = call("train", folder, *arguments)
    (folder / "changes").write_text(str(made))
    (folder / "said").write_text(ended.out + ended.err)
    os._exit(ended.code)


def main(folder: Path, kills: int, arguments: list[str]) -> None:
    """Kill at as many places, spread over the whole."""
    assert run(folder / "whole", arguments) == 0
    changes = int((folder / "whole" / "changes").read_text())
    for number in range(1, changes + 1, max(1, changes // kills)):
        assert run(folder / str(number), arguments, kill_at=number) == -signal.SIGKILL
        code = run(folder / str(number), arguments)
        assert code == 0, f"killed at change {number}: {(folder / str(number) / 'said').read_text()}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
