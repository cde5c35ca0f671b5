"""Files that are complete or absent, whatever kills the writer."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from stroi.cache.digests import digest, sha256_bytes, sha256_file
from stroi.cache.disk import writing
from stroi.cache.faults import fault_point
from stroi.cache.locks import lock
from stroi.cache.processes import PATTERN, is_gone, this_process
from stroi.cache.rename import rename_new

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

_TEMPORARY = re.compile(rf".+\.tmp-({PATTERN})-[0-9a-f]{{8}}")


def write_atomic(path: Path, data: bytes | memoryview, *, replace: bool = True) -> bool:
    """Write `data` to `path` so that the name holds the old bytes or all of the new ones.

    A temporary sibling is written, flushed to the disk and renamed; the folder is flushed last.
    Folders are created if need be. On failure the temporary is removed.

    Args:
        path: The final name.
        data: Everything the file shall hold.
        replace: Whether it may replace what has that name.

    Returns:
        Whether it was written; False only if it may not replace what is there, or what appeared
        there meanwhile.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``.
    """
    view = memoryview(data).cast("B")
    temporary = temporary_beside(path)
    with writing(path, len(view)):
        try:
            fault_point("before_write")
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_synced(temporary, view)
            return _rename(temporary, path, replace=replace)
        finally:
            with suppress(OSError):
                temporary.unlink()


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
    temporary = temporary_beside(target)
    with writing(target, size):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            fault_point("before_link")
            os.link(source, temporary)
        except OSError:
            write_atomic(target, source.read_bytes())
            return
        try:
            _rename(temporary, target)
        finally:
            # A rename onto another link of the same file leaves both names.
            with suppress(OSError):
                temporary.unlink()


def check_writable(folder: Path) -> None:
    """Make sure that `folder` is there and that files can be made in it, before any work.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_beside(folder / "probe")
        os.close(_create(probe))
        probe.unlink()


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers of this host left in `folder`.

    A file goes only if its name is a temporary's, it belongs to this user, and the process
    that made it is gone.

    Args:
        folder: Folder to sweep, not below it; may be missing.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if is_left_over(path.name) and path.lstat().st_uid == os.getuid():
            path.unlink(missing_ok=True)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is a writer's temporary."""
    return _TEMPORARY.fullmatch(name) is not None


def is_left_over(name: str) -> bool:
    """Whether a file of this name is a temporary whose writer, of this host, has ended."""
    match = _TEMPORARY.fullmatch(name)
    return match is not None and is_gone(match[1])


def temporary_beside(path: Path) -> Path:
    """A name for what shall become `path`, of this process and never given twice."""
    return path.with_name(f"{path.name}.tmp-{this_process()}-{secrets.token_hex(4)}")


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o666)


def _write_synced(path: Path, view: memoryview) -> None:
    fd = _create(path)
    try:
        half = len(view) // 2
        _write_all(fd, view[:half])
        fault_point("mid_write")
        _write_all(fd, view[half:])
        fault_point("before_fsync")
        os.fsync(fd)
    finally:
        os.close(fd)


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
