"""Processes ask each other at steps that all know, often where steps are slow and seldom where they are fast."""

import time
from collections.abc import Iterator

import pytest
from torch import distributed

from src.strategy.agreement import Agreement
from src.strategy.exchange import highest


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """A group of one process."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def asked(agreement: Agreement, steps: int, *, pause_s: float = 0.0) -> list[int]:
    """The steps at which a run of `steps` asks."""
    agreement.start(0)
    found = []
    for step in range(steps):
        if agreement.is_due(step):
            assert agreement.highest(step, 3, 0) == [3, 0]
            found.append(step)
        time.sleep(pause_s)
    return found


def test_fast_steps_are_asked_about_ever_more_seldom():
    assert asked(Agreement(every_s=100.0), 1000) == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]


def test_slow_steps_are_all_asked_about():
    assert asked(Agreement(every_s=0.01), 8, pause_s=0.02) == list(range(8))


def test_a_resumed_run_asks_from_its_first_step_on():
    agreement = Agreement()
    agreement.start(500)
    assert agreement.is_due(500)
    agreement.highest(500, 0)
    assert not agreement.is_due(500)


def test_the_highest_of_each_number_comes_back():
    assert highest(True, 15, 0) == [1, 15, 0]
