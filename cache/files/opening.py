"""Open what may be anything: links, pipes and devices are refused, not followed or waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.errors import RefusedInput


@contextmanager
def open_regular(
    path: Path, code: str, *, remedy: str = "give a regular file"
) -> Iterator[tuple[int, int]]:
    """Open a regular file for reading, without following a link in its last part.

    Args:
        path: The file.
        code: Code of the refusal.
        remedy: What the user should do.

    Yields:
        A descriptor, closed afterwards, and the file's size in bytes.

    Raises:
        RefusedInput: With `code`, if it cannot be opened or is not a regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RefusedInput(
            code, f"{path} cannot be opened: {error.strerror}", remedy=remedy
        ) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise RefusedInput(code, f"{path} is not a regular file", remedy=remedy)
        yield fd, status.st_size
    finally:
        os.close(fd)


def read_regular(
    path: Path, code: str, limit: int, *, remedy: str = "give a regular file"
) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; its size is looked at first.

    Raises:
        RefusedInput: With `code`, as `open_regular`, or if the file is larger.
    """
    with open_regular(path, code, remedy=remedy) as (fd, size):
        if size > limit:
            raise RefusedInput(code, f"{path} has {size} bytes, allowed are {limit}", remedy=remedy)
        with open(fd, "rb", closefd=False) as file:
            # Not `limit` bytes: room for all of them would be taken at once.
            return file.read(size)
