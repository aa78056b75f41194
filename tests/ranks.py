"""Several processes on one function, as a launcher starts them: the environment names rank, size and address."""

import os
import pickle
import signal
import socket
import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def ranks(number: int, folder: Path, call: Callable[..., Any], *arguments: Any, timeout_s: float = 100) -> list[Any]:
    """Return what `call(*arguments)` gives in each of `number` processes that fork off this one.

    Raises AssertionError, with the traceback, where one raises; none outlives the call. A Trainer in them is to have
    `SHARED`. `folder` is where they leave what they give.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    fork = get_context("fork")
    started = [
        fork.Process(target=_rank, args=(rank, number, port, folder / f"rank{rank}", call, arguments), daemon=False)
        for rank in range(number)
    ]
    for process in started:
        process.start()
    end_s = time.monotonic() + timeout_s
    try:
        while any(process.is_alive() for process in started) and time.monotonic() < end_s:
            if any(process.exitcode for process in started):
                end_s = min(end_s, time.monotonic() + 10)  # the others may wait for it for ever
            time.sleep(0.02)
        hung = [rank for rank, process in enumerate(started) if process.is_alive()]
    finally:
        for process in started:
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
    found = [_left(folder / f"rank{rank}") for rank in range(number)]
    errors = [words for kind, words in found if kind == "error"]
    assert not errors, "\n".join(errors)
    assert not hung
    return [value for _, value in found]


SHARED = {"strategy": "ddp", "accelerator": "cpu"}  # and devices, the number of processes


def _rank(rank: int, number: int, port: int, out: Path, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    names = {"RANK": rank, "LOCAL_RANK": rank, "NODE_RANK": 0, "WORLD_SIZE": number, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in names.items()} | {"MASTER_ADDR": "127.0.0.1"}
    code = 0
    try:
        left = ("value", call(*arguments))
    except BaseException:
        left, code = ("error", traceback.format_exc()), 1
    out.write_bytes(pickle.dumps(left))
    os._exit(code)  # pytest's own end is not for this process


def _left(path: Path) -> tuple[str, Any]:
    return pickle.loads(path.read_bytes()) if path.exists() else ("error", f"{path.name} left nothing")
