"""Files that are complete or absent, whatever kills the writer."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from stroi.cache.digests import digest, sha256_bytes, sha256_file
from stroi.cache.errors import StroiError
from stroi.cache.faults import fault_point
from stroi.cache.locks import lock

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

_TEMPORARY = re.compile(r".+\.tmp-([0-9]{1,9})-([0-9a-f]{8})-[0-9a-f]{8}")
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` so that the name holds the old bytes or all of the new ones.

    A temporary sibling is written, flushed to the disk and renamed; the folder is flushed last.
    Folders are created if need be. On failure the temporary is removed.

    Args:
        path: The final name.
        data: Everything the file shall hold.

    Raises:
        StroiError: ``DISK_FULL``, ``OUTPUT_READ_ONLY`` or ``WRITE_FAILED``.
    """
    view = memoryview(data).cast("B")
    temporary = _temporary(path)
    try:
        fault_point("before_write")
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(temporary, view)
        _rename(temporary, path)
    except OSError as error:
        raise _failure(path, len(view), error) from error
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
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    try:
        os.link(source, temporary)
    except FileNotFoundError:
        raise
    except OSError:
        write_atomic(target, source.read_bytes())
        return
    try:
        _rename(temporary, target)
    except OSError as error:
        raise _failure(target, 0, error) from error
    finally:
        # A rename onto another link of the same file leaves both names.
        with suppress(OSError):
            temporary.unlink()


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
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or match[2] != _host() or _alive(int(match[1])):
            continue
        if path.lstat().st_uid == os.getuid():
            path.unlink(missing_ok=True)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is a writer's temporary."""
    return _TEMPORARY.fullmatch(name) is not None


def _write_synced(path: Path, view: memoryview) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o666)
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


def _rename(temporary: Path, path: Path) -> None:
    fault_point("before_rename")
    temporary.replace(path)
    fault_point("after_rename")
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp-{os.getpid()}-{_host()}-{secrets.token_hex(4)}")


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
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
        f"{path} cannot be written: {error.strerror}",
        remedy="check the disk and run again; finished files are kept",
    )
