"""How much a decoder may take: a few kilobytes of video can ask for gigabytes of picture."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

_STATM = Path("/proc/self/statm")
_PAGE = resource.getpagesize()
_alone = RLock()


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
    Where the system does not tell a process its size, nothing is limited. The limit is the
    process's: of several threads that want one, each waits for the one before.

    Args:
        size: Bytes beyond what the process has now.
    """
    with _alone:
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
