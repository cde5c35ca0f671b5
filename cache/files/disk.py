"""Failures of the disk, told so that the user can mend them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.errors import StroiError

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def writing(path: Path, size: int = 0) -> Iterator[None]:
    """Raise what the system says against writing `path` as an error of ours.

    Args:
        path: What is written: a file or a folder.
        size: Bytes that shall be written; named when the disk is full.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED`` for an OSError inside
            the ``with`` block.
    """
    try:
        yield
    except OSError as error:
        raise _failure(path, size, error) from error


def _failure(path: Path, size: int, error: OSError) -> StroiError:
    if error.errno in _DISK_FULL:
        need = max(1, -(-size // 1_000_000))
        return StroiError(
            "DISK_FULL",
            f"no space left writing {path} (needs {need} MB)",
            remedy="free some space and run again; finished files are kept",
        )
    if error.errno in _READ_ONLY:
        return StroiError(
            "OUTPUT_READ_ONLY",
            f"{path} cannot be written: {error.strerror}",
            remedy="choose a folder that you may write to",
        )
    return StroiError(
        "WRITE_FAILED",
        f"{path} cannot be written: {error.strerror or error}",
        remedy="check the disk and run again; finished files are kept",
    )
