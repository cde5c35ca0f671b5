"""A private folder beside a target: what is made in it gets its name when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.disk import writing
from stroi.cache.errors import ParamsError
from stroi.cache.faults import fault_point
from stroi.cache.files import is_left_over, temporary_beside
from stroi.cache.rename import rename_new


@contextmanager
def private_folder(target: Path, size: int = 0) -> Iterator[Path]:
    """A new folder beside `target` that only this user may enter; it is gone after the block.

    What killed processes left beside the same target is removed first.

    Args:
        target: The name that `place` will give to what is made; folders above it are created.
        size: Bytes that will be written; named when the disk is full.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if it is ``.`` or ``/``.
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``, for every OSError
            within the block too.
    """
    if not target.name:
        refuse_existing(target)
    folder = temporary_beside(target)
    with writing(target, size):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _sweep(target)
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def refuse_existing(target: Path) -> None:
    """Refuse a target that is there already, be it a dangling link.

    Raises:
        ParamsError: ``TARGET_EXISTS``.
    """
    if os.path.lexists(target):
        raise _exists(target)


def place(made: Path, target: Path) -> None:
    """Give `made`, a file or a folder in a private folder, the name `target`.

    Raises:
        ParamsError: ``TARGET_EXISTS``, also if it has appeared just now.
        OSError: If the disk does not take it.
    """
    if made.is_dir():
        _sync(made)
    fault_point("before_rename")
    if not rename_new(made, target):
        raise _exists(target)
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


def _exists(target: Path) -> ParamsError:
    return ParamsError(
        "TARGET_EXISTS", f"{target} exists already", remedy="name another target or remove it"
    )


def _sweep(target: Path) -> None:
    for left in target.parent.iterdir():
        ours = left.name.startswith(f"{target.name}.tmp-") and is_left_over(left.name)
        if ours and left.lstat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
