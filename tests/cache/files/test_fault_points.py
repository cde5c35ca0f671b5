"""Fault points fire when asked, where asked."""

from __future__ import annotations

import errno
from collections import Counter

import pytest

from stroi.cache.files import fault_points as faults
from stroi.cache.files.fault_points import VARIABLE, fault_point


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_passed", Counter())


def test_nothing_happens_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    fault_point("mid_write")


@pytest.mark.parametrize(("action", "number"), [("enospc", errno.ENOSPC), ("eio", errno.EIO)])
def test_fires_once_at_the_nth_passing(
    monkeypatch: pytest.MonkeyPatch, action: str, number: int
) -> None:
    monkeypatch.setenv(VARIABLE, f"mid_write:3:{action}")
    for name in ("mid_write", "other", "mid_write", "other", "other"):
        fault_point(name)
    with pytest.raises(OSError, match=r"No space|Input/output") as caught:
        fault_point("mid_write")
    assert caught.value.errno == number
    fault_point("mid_write")


@pytest.mark.parametrize("value", ["here", "here:1", "here:x:kill", "here:1:no"])
def test_a_mistyped_variable_is_an_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ValueError, match=r"unpack|literal|unknown action 'no'"):
        fault_point("here")
