"""Named places where a test can make a writer fail, as a power cut or a full disk would."""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter

VARIABLE = "STROI_FAULT"
"""Environment variable ``name:n:action``; action is ``kill``, ``enospc`` or ``eio``."""

_ERRNO = {"enospc": errno.ENOSPC, "eio": errno.EIO}
_passed: Counter[str] = Counter()


def fault_point(name: str) -> None:
    """Fail here if the environment asks for it; else do nothing.

    ``STROI_FAULT=mid_write:3:kill`` ends the process with SIGKILL at its third passing of
    ``mid_write``; ``enospc`` and ``eio`` raise the error that the system would.

    Args:
        name: Name of the place.

    Raises:
        OSError: If the environment asks for ``enospc`` or ``eio`` at this passing.
        ValueError: If the variable is not of the form ``name:n:action``.
    """
    requested = os.environ.get(VARIABLE)
    if not requested:
        return
    place, nth, action = requested.split(":")
    if place != name:
        return
    _passed[name] += 1
    if _passed[name] != int(nth):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action not in _ERRNO:
        raise ValueError(f"{VARIABLE}: unknown action {action!r}")
    raise OSError(_ERRNO[action], os.strerror(_ERRNO[action]))
