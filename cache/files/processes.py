"""Which process made a file, and whether it still lives."""

from __future__ import annotations

import hashlib
import os
import re
import socket

PATTERN = r"([0-9]{1,9})-([0-9a-f]{8})"
"""Regular expression of `this_process`, with a group for the process and one for its host."""

_MAKER = re.compile(PATTERN)


def this_process() -> str:
    """Name of this process on this host, for file names: number and digest of the host's name."""
    return f"{os.getpid()}-{_host()}"


def is_gone(maker: str) -> bool:
    """Whether the process that called itself `maker` was one of this host and has ended.

    Args:
        maker: What `this_process` returned there; anything else is not gone.
    """
    match = _MAKER.fullmatch(maker)
    return match is not None and match[2] == _host() and not _alive(int(match[1]))


def is_of_this_host(maker: str) -> bool:
    """Whether the process that called itself `maker` was one of this host."""
    match = _MAKER.fullmatch(maker)
    return match is not None and match[2] == _host()


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
