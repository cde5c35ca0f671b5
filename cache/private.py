"""A private folder beside a target: what is made in it gets its name when it is whole."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.faults import fault_point

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def private_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that only this user may enter; it is gone after the block.

    What killed processes left beside the same target is removed first.

    Args:
        target: The name that `place` will give to what is made; folders above it are created.

    Raises:
        StroiError: ``DISK_FULL`` or ``WRITE_FAILED`` for every OSError within the block too.
    """
    folder = None
    with _telling(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _sweep(target)
            folder = target.with_name(f".{target.name}.part-{secrets.token_hex(4)}")
            folder.mkdir(mode=0o700)
            with _held(folder):
                yield folder
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def refuse_existing(target: Path) -> None:
    """Refuse a target that is there already, be it a dangling link.

    Raises:
        ParamsError: ``TARGET_EXISTS``.
    """
    if os.path.lexists(target):
        raise ParamsError(
            "TARGET_EXISTS", f"{target} exists already", remedy="name another target or remove it"
        )


def place(made: Path, target: Path) -> None:
    """Give `made`, a file or a folder in a private folder, the name `target`.

    Raises:
        ParamsError: ``TARGET_EXISTS``.
        OSError: If the disk does not take it.
    """
    refuse_existing(target)
    if made.is_dir():
        _sync(made)
    fault_point("before_rename")
    made.rename(target)
    fault_point("after_rename")
    _sync(target.parent)


@contextmanager
def new_file(path: Path) -> Iterator[int]:
    """Descriptor of a new file, on the disk when the block ends.

    Raises:
        OSError: If `path` exists or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o666)
    try:
        yield fd
        fault_point("before_fsync")
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data`.

    Raises:
        OSError: If the disk does not take it.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    fault_point("mid_write")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the lock that says that the owner of a private folder lives."""
    fd = os.open(folder, _DIRECTORY)
    try:
        # Without locks nobody sweeps, see `_sweep`.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _sweep(target: Path) -> None:
    for left in target.parent.glob(f".{glob.escape(target.name)}.part-????????"):
        with suppress(OSError):
            fd = os.open(left, _DIRECTORY)
            try:
                if os.fstat(fd).st_uid == os.getuid():
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left)
            finally:
                os.close(fd)


def _sync(folder: Path) -> None:
    fd = os.open(folder, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _telling(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise StroiError(
                "DISK_FULL", f"no space left writing {target}", remedy="free some and run again"
            ) from error
        raise StroiError(
            "WRITE_FAILED",
            f"{target} cannot be written: {error.strerror}",
            remedy="choose a folder that you may write to, or check the disk",
        ) from error
