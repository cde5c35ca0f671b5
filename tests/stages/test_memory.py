"""A budget of memory holds inside, and is gone outside."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from stroi.stages.memory import memory_budget

MB = 2**20


def test_more_than_the_budget_is_no_memory() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with memory_budget(64 * MB):
        assert np.zeros(16 * MB, np.uint8).any() == 0
        with pytest.raises(MemoryError):
            np.zeros(256 * MB, np.uint8)
    assert np.zeros(256 * MB, np.uint8).any() == 0
    assert resource.getrlimit(resource.RLIMIT_AS) == before


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
