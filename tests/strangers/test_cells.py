"""Strangers' modules and data lead the whole life of a run: no cell of the table is a crash, no comparison differs."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.strangers.plain import PAIRS

SLOW = ("classifier", "gan", "stream_val", "plateau")  # partials in hyperparameters, manual, no length, workers


def lines(*words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.strangers.cells", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    return done.stdout.splitlines()


def words(found: list[str]) -> list[str]:
    """Return what became of each cell, without what was left out."""
    return [line.split(maxsplit=2)[2].partition(" / ")[0] for line in found]


@pytest.mark.slow
@pytest.mark.parametrize("pair", SLOW)
def test_a_run_that_is_killed_goes_on_to_the_bits_of_one_that_was_not(pair: str) -> None:
    found = words(lines(pair, "--kill", "--rerun"))
    assert found == ["ok", "ok", "ok"]


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["classifier", "many_val"])
def test_a_run_is_scored_swept_and_shared_by_two_processes(pair: str) -> None:
    found = words(lines(pair, "--eval", "--sweep", "--ddp"))
    assert found == ["ok", "ok | ok", "ok", "ok"]


@pytest.mark.soak
@pytest.mark.parametrize("pair", PAIRS)
def test_no_cell_of_a_pair_is_a_crash(pair: str) -> None:
    found = lines(pair)
    assert not [line for line in found if "CRASH" in line or "differs" in line]
