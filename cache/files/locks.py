"""One writer at a time: an advisory lock that says who holds it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from stroi.cache.errors import OutputInUse, StroiError
from stroi.cache.files.atomic import os_errors_as_ours


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `path` for the length of a ``with`` block.

    The system releases the lock when the process ends, however it ends; the file itself stays.

    Args:
        path: Lock file; created, with its folders, if need be.
        shared: Whether others may hold it too, if they want it shared as well.

    Raises:
        OutputInUse: If another process holds it; names that process, its host and since when.
        StroiError: ``LOCK`` if the file system cannot lock; ``OUTPUT_READ_ONLY``, ``DISK_FULL``
            or ``WRITE_FAILED`` if there can be no such file.
    """
    with os_errors_as_ours(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        _acquire(fd, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        _sign(fd)
        yield
    finally:
        os.close(fd)


def _sign(fd: int) -> None:
    """Write who has the lock; on a full disk it stays without a name."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    with suppress(OSError):
        os.truncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode(), 0)


def _acquire(fd: int, path: Path, how: int) -> None:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 256, 0).decode("utf-8", "replace") or "another process"
        raise OutputInUse(
            "OUTPUT_IN_USE",
            f"{path} is in use by {holder}",
            remedy="wait for it to end, or write to another folder",
        ) from None
    except OSError as error:
        raise StroiError(
            "LOCK",
            f"{path} cannot be locked: {error.strerror}",
            remedy="put the output on a file system that supports locks",
        ) from error
