"""How much a decoder may take: a few kilobytes of video can ask for gigabytes of picture."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")
_PAGE = resource.getpagesize()


def address_space() -> int:
    """Address space of this process in bytes; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split(None, 1)[0]) * _PAGE
    except OSError:
        return 0


@contextmanager
def memory_budget(size: int) -> Iterator[None]:
    """Let this process grow by at most `size` bytes of address space for a while.

    What asks for more gets no memory, and the library that asked fails as if there were none.
    Where the system does not tell a process its size, nothing is limited.

    Args:
        size: Bytes beyond what the process has now.
    """
    used = address_space()
    if not used:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([used + size, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
