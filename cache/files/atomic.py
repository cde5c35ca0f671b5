"""Files that are complete or absent, whatever kills the writer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stroi.cache.files.digests import digest, sha256_bytes, sha256_file
from stroi.cache.files.disk import writing
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.locks import lock
from stroi.cache.files.rename import rename_new
from stroi.cache.files.temporaries import new_temporary, new_temporary_link, remove_left_over

__all__ = [
    "digest",
    "fault_point",
    "link_or_copy",
    "lock",
    "sha256_bytes",
    "sha256_file",
    "sweep_temporaries",
    "write_atomic",
]


def write_atomic(
    path: Path,
    data: bytes | memoryview | Sequence[bytes | memoryview],
    *,
    replace: bool = True,
) -> bool:
    """Write `data` to `path` so that the name holds the old bytes or all of the new ones.

    A temporary sibling is written, flushed to the disk and renamed; the folder is flushed last.
    Folders are created if need be. On failure the temporary is removed.

    Args:
        path: The final name.
        data: Everything the file shall hold, in one piece or in several that follow one another.
        replace: Whether it may replace what has that name.

    Returns:
        Whether it was written; False only if it may not replace what is there, or what appeared
        there meanwhile.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``.
    """
    pieces = [data] if isinstance(data, bytes | memoryview) else data
    views = [memoryview(piece).cast("B") for piece in pieces]
    with writing(path, sum(map(len, views))):
        fault_point("before_write")
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_temporary(path) as (temporary, fd):
            _write_synced(fd, views)
            return _rename(temporary, path, replace=replace)


def link_or_copy(source: Path, target: Path) -> None:
    """Give `source`'s bytes the name `target` as well: a hard link, or a copy where none can be.

    Neither file may be changed in place afterwards; `write_atomic` never does so.

    Args:
        source: A complete file.
        target: The other name; replaced if it exists.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``.
        FileNotFoundError: If there is no `source`.
    """
    size = source.stat().st_size
    with writing(target, size):
        target.parent.mkdir(parents=True, exist_ok=True)
        with new_temporary_link(source, target) as temporary:
            if temporary is not None:
                _rename(temporary, target)
                return
    write_atomic(target, source.read_bytes())


def check_writable(folder: Path) -> None:
    """Make sure that `folder` is there and that files can be made in it, before any work.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with new_temporary(folder / "probe"):
            pass


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers of this host left in `folder`.

    A file goes only if its name is a temporary's, it belongs to this user, the process that made
    it is gone and nobody holds it.

    Args:
        folder: Folder to sweep, not below it; may be missing.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        remove_left_over(path)


def _write_synced(fd: int, views: Sequence[memoryview]) -> None:
    before_half = sum(map(len, views)) // 2
    for view in views:
        if 0 <= before_half <= len(view):
            _write_all(fd, view[:before_half])
            fault_point("mid_write")
            _write_all(fd, view[before_half:])
            before_half = -1
        else:
            _write_all(fd, view)
            before_half -= len(view)
    fault_point("before_fsync")
    os.fsync(fd)


def _write_all(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]


def _rename(temporary: Path, path: Path, *, replace: bool = True) -> bool:
    fault_point("before_rename")
    if replace:
        temporary.replace(path)
    elif not rename_new(temporary, path):
        return False
    fault_point("after_rename")
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
