"""Files that are complete or absent, whatever kills the writer."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stroi.cache.errors import StroiError
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.temporaries import new_temporary, new_temporary_link, remove_left_over

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # linux/fcntl.h, linux/fs.h


def write_atomic(
    path: Path,
    data: bytes | memoryview | Sequence[bytes | memoryview],
    *,
    replace: bool = True,
    flush: bool = True,
) -> bool:
    """Write `data` to `path` so that the name holds the old bytes or all of the new ones.

    A temporary sibling is written, flushed to the disk and renamed; the folder is flushed last.
    Folders are created if need be. On failure the temporary is removed.

    Args:
        path: The final name.
        data: Everything the file shall hold, in one piece or in several that follow one another.
        replace: Whether it may replace what has that name.
        flush: Whether the bytes have to be on the disk afterwards. Without it a power cut may leave
            a file that is cut or empty: for files whose reader notices and that can be made again.

    Returns:
        Whether it was written; False only if it may not replace what is there, or what appeared
        there meanwhile.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``.
    """
    pieces = [data] if isinstance(data, bytes | memoryview) else data
    views = [memoryview(piece).cast("B") for piece in pieces]
    with os_errors_as_ours(path, sum(map(len, views))):
        fault_point("before_write")
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_temporary(path) as (temporary, fd):
            _write(fd, views, flush=flush)
            return _rename(temporary, path, replace=replace, flush=flush)


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
    with os_errors_as_ours(target, size):
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
    with os_errors_as_ours(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with new_temporary(folder / "probe"):
            pass


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers of this host left in `folder`.

    A file goes only if its name is a temporary's, it belongs to this user, the process that made
    it is gone and no process has locked it.

    Args:
        folder: Folder to sweep, not below it; may be missing.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        remove_left_over(path)


@contextmanager
def os_errors_as_ours(path: Path, size: int = 0) -> Iterator[None]:
    """Raise an OSError of writing `path` as an error that names a remedy.

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


def rename_new(source: Path, target: Path) -> bool:
    """Rename `source` to `target`, which is never replaced, be it an empty folder or a link.

    Args:
        source: A file, or a folder.
        target: The new name, on the same file system.

    Returns:
        Whether it has that name now; if not, something else has it and nothing was changed.

    Raises:
        OSError: If the disk does not take it.
    """
    failure = _rename_noreplace(source, target)
    if failure and failure != errno.EEXIST:
        # NFS and old kernels cannot do it in one step, and other systems have another call for it.
        return _rename_in_two_steps(source, target)
    return not failure


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data`.

    Raises:
        OSError: If the disk does not take it.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk.

    Raises:
        OSError: If the disk does not take them.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write(fd: int, views: Sequence[memoryview], *, flush: bool) -> None:
    before_half = sum(map(len, views)) // 2
    for view in views:
        if 0 <= before_half <= len(view):
            write_all(fd, view[:before_half])
            fault_point("mid_write")
            write_all(fd, view[before_half:])
            before_half = -1
        else:
            write_all(fd, view)
            before_half -= len(view)
    fault_point("before_fsync")
    if flush:
        os.fsync(fd)


def _rename(temporary: Path, path: Path, *, replace: bool = True, flush: bool = True) -> bool:
    fault_point("before_rename")
    if replace:
        temporary.replace(path)
    elif not rename_new(temporary, path):
        return False
    fault_point("after_rename")
    if flush:
        sync_folder(path.parent)
    return True


def _rename_noreplace(source: Path, target: Path) -> int:
    """Number of the system's error, 0 if there was none."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return errno.ENOSYS
    names = _AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target)
    return ctypes.get_errno() if library.renameat2(*names, _RENAME_NOREPLACE) else 0


def _rename_in_two_steps(source: Path, target: Path) -> bool:
    try:
        if not source.is_dir():
            os.link(source, target, follow_symlinks=False)
            source.unlink()
            return True
        target.mkdir()
    except FileExistsError:
        return False
    try:
        # A folder replaces an empty one alone: this one, unless another has filled it meanwhile.
        source.rename(target)
    except OSError:
        with suppress(OSError):
            target.rmdir()
        raise
    return True


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
