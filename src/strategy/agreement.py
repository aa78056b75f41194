"""How the processes of a run come to do the same at the same step, whoever's clock or signal asks for it."""

import time

from src.strategy.exchange import highest


class Agreement:
    """Asks all processes about every `every_s` seconds, at steps that they agree on: between two it costs nothing."""

    def __init__(self, *, every_s: float = 1.0):
        self.every_s = every_s
        self._asked_step = self._next_step = 0
        self._asked_s = 0.0

    def start(self, step: int) -> None:
        """Count from this step on, which is the first to ask at."""
        self._asked_step = self._next_step = step
        self._asked_s = time.monotonic()

    def is_due(self, step: int) -> bool:
        """Whether the processes ask each other at this step: all say the same."""
        return step >= self._next_step

    def highest(self, step: int, *numbers: int) -> list[int]:
        """Return the highest that any process gives for each number; choose the next step to ask at.

        It is as far away as `every_s` was by the slowest process's pace, and at most twice as far as the last.
        """
        steps, now_s = step - self._asked_step, time.monotonic()
        pace_us = round(1e6 * (now_s - self._asked_s) / max(1, steps)) + 1
        pace_us, *found = highest(pace_us, *numbers)
        self._next_step = step + max(1, min(int(1e6 * self.every_s / pace_us), 2 * steps))
        self._asked_step, self._asked_s = step, now_s
        return found
