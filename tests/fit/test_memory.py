"""Memory that is freed between two steps is not asked of the kernel again."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from contextlib import nullcontext
from src.fit.memory import freed_memory_kept

def step():
    blocks = [torch.ones(12_000_000) for _ in range(3)]  # 48 MB each, more than glibc ever keeps by itself

with freed_memory_kept() if sys.argv[1] == "kept" else nullcontext():
    for _ in range(5):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_pages_are_faulted_in_once() -> None:
    faults = {}
    for way in ("kept", "default"):
        ended = subprocess.run([sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True)
        faults[way] = int(ended.stdout)
    assert faults["kept"] < 0.02 * faults["default"], faults
