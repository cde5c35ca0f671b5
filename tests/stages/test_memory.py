"""A budget of memory holds inside, and is gone outside."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from stroi.stages.memory import memory_budget

MB = 2**20


SCRIPT = """
import resource
import numpy as np
from stroi.stages.memory import memory_budget
before = resource.getrlimit(resource.RLIMIT_AS)
with memory_budget(64 << 20):
    np.zeros(16 << 20, np.uint8)
    try:
        np.zeros(256 << 20, np.uint8)
    except MemoryError:
        print("no memory")
print(len(np.zeros(256 << 20, np.uint8)), resource.getrlimit(resource.RLIMIT_AS) == before)
"""


def test_more_than_the_budget_is_no_memory() -> None:
    """In a process of its own: one that has freed much would take it from there."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"no memory\n{256 * MB} True\n", "")


def test_an_error_inside_lifts_the_limit_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(KeyError), memory_budget(MB):
        raise KeyError
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_stricter_limit_stays() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        with memory_budget(64 * MB):
            strict = resource.getrlimit(resource.RLIMIT_AS)[0]
            with memory_budget(2**40):
                assert resource.getrlimit(resource.RLIMIT_AS)[0] == strict
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
