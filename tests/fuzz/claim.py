"""A claim that random examples try: seconds of them, always the same, in `make test`, and an hour under `make soak`."""

import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings

SECONDS = float(os.environ.get("FUZZ_SECONDS", 3600))  # of the long trial, shared by all claims
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
QUICK = settings(derandomize=True, database=None, deadline=None, suppress_health_check=SLOW)
LONG = settings(QUICK, derandomize=False, max_examples=20, print_blob=True)

Trial = Callable[[], object]
CLAIMS: dict[str, Trial] = {}  # by name: a round of LONG


def claim(*, examples: int, **drawn: Any) -> Callable[[Callable[..., None]], Trial]:
    """Return a decorator that makes a function of what is `drawn` a test of so many examples, and one of the CLAIMS."""

    def decorate(function: Callable[..., None]) -> Trial:
        CLAIMS[function.__name__] = LONG(given(**drawn)(function))
        return settings(QUICK, max_examples=examples)(given(**drawn)(function))

    return decorate


def try_long(trial: Trial) -> int:
    """Repeat rounds of a claim for its share of the time; return how many there were."""
    end_s, rounds = time.monotonic() + SECONDS / len(CLAIMS), 0
    while time.monotonic() < end_s:
        trial()
        rounds += 1
    return rounds
