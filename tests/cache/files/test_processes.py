"""Who made a file, and whether it still lives."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stroi.cache.files.processes import is_gone, is_of_this_host, this_process


def test_this_process_lives() -> None:
    assert this_process().startswith(f"{os.getpid()}-")
    assert not is_gone(this_process())
    assert is_of_this_host(this_process())


def test_an_ended_process_of_this_host_is_gone() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    maker = f"{dead.pid}-{this_process().split('-')[1]}"
    assert is_gone(maker)
    elsewhere = f"{dead.pid}-{'0' * 8}"
    assert not is_gone(elsewhere)
    assert not is_of_this_host(elsewhere)


@pytest.mark.parametrize("name", ["", "1", "x-00000000", "1-00000000-1"])
def test_what_is_no_process_is_never_gone(name: str) -> None:
    assert not is_gone(name)
    assert not is_of_this_host(name)
