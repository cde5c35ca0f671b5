"""Folders that are filled as a whole: staged next to the target, or locked by one run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.errors import OutputInUse, ParamsError
from stroi.cache.files.atomic import (
    os_errors_as_ours,
    rename_new,
    sweep_temporaries,
    sync_folder,
    write_atomic,
)
from stroi.cache.files.digests import sha256_bytes, sha256_file
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.temporaries import create, new_temporary_folder, remove_left_over


@contextmanager
def staging_folder(target: Path, size: int = 0) -> Iterator[Path]:
    """A new folder next to `target` that only this user may enter; it is gone after the block.

    What killed processes left next to the same target is removed first.

    Args:
        target: The final name; folders above it are created.
        size: Bytes that will be written; named when the disk is full.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if it is ``.`` or ``/``.
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``, for every OSError
            within the block too.
    """
    if not target.name:
        refuse_existing(target)
    with os_errors_as_ours(target, size):
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


def move_into_place(made: Path, target: Path) -> None:
    """Give `made`, a file or a folder in a staging folder, the name `target`.

    Raises:
        ParamsError: ``TARGET_EXISTS``, also if it has appeared just now.
        OSError: If the disk does not take it.
    """
    if made.is_dir():
        sync_folder(made)
    fault_point("before_rename")
    if not rename_new(made, target):
        raise _exists(target)
    fault_point("after_rename")
    sync_folder(target.parent)


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


@contextmanager
def exclusive_folder(target: Path, names: Collection[str]) -> Iterator[None]:
    """Fill `target` in a ``with`` block: created, freed of temporaries, locked by this run.

    The system lets go of it when the process ends, however it ends. No lock file is left; on a
    file system without locks two runs can fill it at once.

    Args:
        target: The folder.
        names: What it may hold already, from an earlier run that was cut short.

    Raises:
        OutputInUse: ``OUTPUT_IN_USE`` if another process fills it.
        ParamsError: ``TARGET_EXISTS`` if it holds anything else.
        StroiError: ``OUTPUT_READ_ONLY``, ``DISK_FULL`` or ``WRITE_FAILED``.
    """
    with os_errors_as_ours(target):
        target.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(fd, target)
        sweep_temporaries(target)
        for path in sorted(target.iterdir()):
            if path.name not in names:
                raise target_exists(path)
        yield
    finally:
        os.close(fd)


def write_if_absent(path: Path, data: bytes) -> None:
    """Write a file, unless it is there with these bytes.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if it is there with others.
        StroiError: As `stroi.cache.files.atomic.write_atomic`.
    """
    if os.path.lexists(path) or not write_atomic(path, data, replace=False):
        refuse_other(path, data)


def refuse_other(path: Path, data: bytes) -> None:
    """Refuse what is there under a name, unless it is a plain file of these bytes.

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


def _exists(target: Path) -> ParamsError:
    return ParamsError(
        "TARGET_EXISTS", f"{target} exists already", remedy="name another target or remove it"
    )


def _lock(fd: int, target: Path) -> None:
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
