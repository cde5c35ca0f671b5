"""A folder that one run fills: nobody else fills it meanwhile, and what is there stays as it is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.errors import OutputInUse, ParamsError
from stroi.cache.files.atomic import sweep_temporaries, write_atomic
from stroi.cache.files.digests import sha256_bytes, sha256_file
from stroi.cache.files.disk import writing


@contextmanager
def claimed(target: Path, names: Collection[str]) -> Iterator[None]:
    """Fill `target` in a ``with`` block: created if need be, rid of temporaries, held by this run.

    The system lets go of it when the process ends, however it ends. No lock file is left; on a
    file system without locks two runs are not told from each other.

    Args:
        target: The folder.
        names: What it may hold already, from an earlier run that was cut short.

    Raises:
        OutputInUse: ``OUTPUT_IN_USE`` if another process holds it.
        ParamsError: ``TARGET_EXISTS`` if it holds anything else.
        StroiError: ``OUTPUT_READ_ONLY``, ``DISK_FULL`` or ``WRITE_FAILED``.
    """
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _hold(fd, target)
        sweep_temporaries(target)
        for path in sorted(target.iterdir()):
            if path.name not in names:
                raise target_exists(path)
        yield
    finally:
        os.close(fd)


def settle(path: Path, data: bytes) -> None:
    """Write a file, unless it is there with these very bytes.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if it is there with others.
        StroiError: As `stroi.cache.files.atomic.write_atomic`.
    """
    if os.path.lexists(path) or not write_atomic(path, data, replace=False):
        refuse_other(path, data)


def refuse_other(path: Path, data: bytes) -> None:
    """Refuse what is there under a name, unless it is a plain file of these very bytes.

    Raises:
        ParamsError: ``TARGET_EXISTS``.
    """
    if path.is_symlink() or not path.is_file() or sha256_file(path) != sha256_bytes(data):
        raise target_exists(path)


def target_exists(path: Path) -> ParamsError:
    """The refusal to write over something, for the caller to raise."""
    return ParamsError(
        "TARGET_EXISTS",
        f"{path.parent} holds {path.name!a}, which this run would not have written",
        remedy="name another target or remove it",
    )


def _hold(fd: int, target: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputInUse(
            "OUTPUT_IN_USE",
            f"{target} is being filled by another process",
            remedy="wait for it to end, or name another target",
        ) from None
    except OSError:
        return  # no locks here
