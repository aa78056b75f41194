"""Errors of torch that name no cure get the one there is."""

import errno

import pytest
from hydra.errors import ConfigCompositionException

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


@pytest.mark.parametrize("sign", ["\x1b[2J", "\r", "\x00", "\x9b", "\u202e", "\u2028", "\x7f"])
@pytest.mark.parametrize("kind", [ValueError, OSError, RuntimeError])
def test_a_terminal_obeys_nothing_of_an_error(kind: type[Exception], sign: str) -> None:
    line = one_line(kind(f"photos/x{sign}y holds no image"))
    assert not set(sign) & set(line) - set("[2J")
    assert "photos/x" in line


def test_an_error_of_hydra_without_words_is_a_line_too() -> None:
    error = ConfigCompositionException("")
    error.__cause__ = ValueError("no viable alternative at input '${'")
    assert one_line(error) == "the groups cannot be composed: no viable alternative at input '${'"


def test_a_full_disk_is_no_shared_memory() -> None:
    assert "data.workers=0" not in one_line(OSError(errno.ENOSPC, "No space left on device", "outputs/x"))


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (
            TypeError("\n Lightning can't inject a (distributed) sampler into your batch sampler, because it ..."),
            "set trainer.use_distributed_sampler=false",
        ),
        (
            RuntimeError("It looks like your LightningModule has parameters that were not used in producing the loss"),
            "set trainer.strategy.find_unused_parameters=true",
        ),
        (
            RuntimeError("Skipping the `training_step` by returning None in distributed training is not supported"),
            "set trainer.devices=1",
        ),
        (
            ChildProcessError("rank 1: RuntimeError: parameters that were not used in producing the loss\nof it"),
            "set trainer.strategy.find_unused_parameters=true",
        ),
    ],
)
def test_what_lightning_refuses_under_ddp_is_one_line_with_the_key_that_cures_it(error: Exception, cure: str) -> None:
    line = one_line(error)
    assert cure in line
    assert line.startswith("trainer.")
    assert "\n" not in line
