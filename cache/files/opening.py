"""Open what may be anything: pipes, devices and folders are refused, not waited for."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.errors import RefusedInput


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[int, int]]:
    """Open a regular file for reading.

    Links are followed, because DVC may check data out as links; what they lead to must be a
    regular file.

    Yields:
        File descriptor, closed at the end, and size in bytes.

    Raises:
        OSError: If there is no such file, it may not be read, or it is no regular file; its
            `strerror` says which.
    """
    fd, size = _open(path, 0)
    try:
        yield fd, size
    finally:
        os.close(fd)


def read_regular(path: Path, limit: int) -> bytes:
    """Everything in a regular file of at most `limit` bytes.

    Raises:
        OSError: As `open_regular`; or if the file is larger, before anything of it is read.
    """
    with open_regular(path) as (fd, size):
        if size > limit:
            raise OSError(errno.EFBIG, f"{size} bytes, at most {limit} are read")
        # Not `size` bytes: a file of /proc has size 0 and content, another may be growing.
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"more than {limit} bytes")
    return data


@contextmanager
def open_no_link(
    path: Path, code: str, *, remedy: str = "give a regular file"
) -> Iterator[tuple[int, int]]:
    """Open a regular file for reading, without following a link in its last part.

    Args:
        path: The file.
        code: Code of the refusal.
        remedy: What the user should do.

    Yields:
        File descriptor, closed at the end, and size in bytes.

    Raises:
        RefusedInput: With `code`, if it cannot be opened or is not a regular file.
    """
    try:
        fd, size = _open(path, os.O_NOFOLLOW)
    except OSError as error:
        raise RefusedInput(
            code, f"{path} cannot be opened: {error.strerror}", remedy=remedy
        ) from error
    try:
        yield fd, size
    finally:
        os.close(fd)


def read_no_link(
    path: Path, code: str, limit: int, *, remedy: str = "give a regular file"
) -> bytes:
    """The bytes of a regular file of at most `limit` bytes, which is no link.

    Raises:
        RefusedInput: With `code`, as `open_no_link`, or if the file is larger.
    """
    with open_no_link(path, code, remedy=remedy) as (fd, size):
        if size > limit:
            raise RefusedInput(code, f"{path} has {size} bytes, allowed are {limit}", remedy=remedy)
        with open(fd, "rb", closefd=False) as file:
            return file.read(size)


def _open(path: Path, flags: int) -> tuple[int, int]:
    """Descriptor and size of a regular file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except ValueError:
        raise OSError(errno.EINVAL, "no file can have this name") from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file")
    return fd, status.st_size
