"""A private folder beside a target: what is made in it gets its name when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.errors import ParamsError
from stroi.cache.files.disk import writing
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.rename import rename_new
from stroi.cache.files.temporaries import create, new_temporary_folder, remove_left_over


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
    with writing(target, size):
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.iterdir():
            if left.name.startswith(f"{target.name}.tmp-"):
                remove_left_over(left)
        with new_temporary_folder(target) as folder:
            yield folder


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
    fd = create(path)
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


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
