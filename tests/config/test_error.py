"""Errors of torch that name no cure get the one there is."""

import errno

import pytest

from src.config.error import one_line

FULL = (
    RuntimeError("unable to write to file </torch_12_34_0>: No space left on device (28)"),
    RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: Success (0)"),
    RuntimeError(
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ... shared memory.\nmore"
    ),
    OSError(errno.ENOSPC, "No space left on device", "/dev/shm/torch_1"),
)


@pytest.mark.parametrize("error", FULL, ids=str)
def test_full_shared_memory_is_one_line_that_says_workers_zero(error: Exception) -> None:
    assert "data.workers=0" in one_line(error)
    assert "\n" not in one_line(error)


def test_a_full_disk_is_no_shared_memory() -> None:
    assert "data.workers=0" not in one_line(OSError(errno.ENOSPC, "No space left on device", "outputs/x"))
