"""The limit on a decoding process holds from then on, and leaves a stricter one alone."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource, sys
import numpy as np
from stroi.stages.video.decoding.memory_limit import limit_memory
strict = 0
if sys.argv[1] == "strict":
    limit_memory(48 << 20)
    strict = resource.getrlimit(resource.RLIMIT_DATA)[0]
limit_memory(64 << 20)
first = resource.getrlimit(resource.RLIMIT_DATA)
kept = np.zeros(32 << 20, np.uint8)
limit_memory(64 << 20)
try:
    np.zeros(256 << 20, np.uint8)
except MemoryError:
    print("no memory", resource.getrlimit(resource.RLIMIT_DATA) == first, first[0] == strict)
"""


def _run(how: str) -> str:
    command = [sys.executable, "-c", SCRIPT, how]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_more_than_the_limit_is_no_memory_from_then_on() -> None:
    assert _run("free") == "no memory True False\n"


def test_a_stricter_limit_stays() -> None:
    assert _run("strict") == "no memory True True\n"
