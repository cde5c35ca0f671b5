"""Opening a file that somebody else made: a plain file, and no more of it than expected."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_plain(path: Path) -> Iterator[tuple[int, int]]:
    """Open a regular file for reading; a pipe, a device or a folder neither hangs nor passes.

    Links are followed, because DVC may check data out as links; what they lead to must be a
    regular file.

    Args:
        path: The file.

    Yields:
        File descriptor, closed at the end, and size in bytes.

    Raises:
        OSError: If there is no such file, it may not be read, or it is no regular file; its
            `strerror` says which.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:
        raise OSError(errno.EINVAL, "no file can have this name") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield fd, status.st_size
    finally:
        os.close(fd)


def read_plain(path: Path, limit: int) -> bytes:
    """Everything in a regular file of at most `limit` bytes.

    Raises:
        OSError: As `open_plain`; or if the file is larger, before anything of it is read.
    """
    with open_plain(path) as (fd, size):
        if size > limit:
            raise OSError(errno.EFBIG, f"{size} bytes, at most {limit} are read")
        # Not `size` bytes: a file of /proc has size 0 and content, another may be growing.
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"more than {limit} bytes")
    return data
