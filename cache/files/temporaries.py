"""Temporary files and folders: each locked by its maker, swept when no process has the lock.

A process id does not say enough: containers that share a folder and a host name have process
ids of their own, and a maker that lives there looks dead here. Its lock is seen everywhere. What
cannot be locked, as on a file system without locks, is left alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stroi.cache.files.fault_points import fault_point

_PROCESS = r"([0-9]{1,9})-([0-9a-f]{8})"
_MAKER = re.compile(_PROCESS)
_TEMPORARY = re.compile(rf".+\.tmp-({_PROCESS})-[0-9a-f]{{8}}")


def this_process() -> str:
    """Name of this process on this host, for file names: number and digest of the host's name."""
    return f"{os.getpid()}-{_host()}"


def is_gone(maker: str) -> bool:
    """Whether the process that called itself `maker` was one of this host and has ended.

    Args:
        maker: What `this_process` returned there; anything else is not gone.
    """
    match = _MAKER.fullmatch(maker)
    return match is not None and match[2] == _host() and not _alive(int(match[1]))


def is_of_this_host(maker: str) -> bool:
    """Whether the process that called itself `maker` was one of this host."""
    match = _MAKER.fullmatch(maker)
    return match is not None and match[2] == _host()


def temporary_name(path: Path) -> Path:
    """A name for what shall become `path`, of this process and never given twice."""
    return path.with_name(f"{path.name}.tmp-{this_process()}-{secrets.token_hex(4)}")


def is_temporary(name: str) -> bool:
    """Whether a file of this name is a writer's temporary."""
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def new_temporary(path: Path) -> Iterator[tuple[Path, int]]:
    """A new file next to `path`, locked until the block ends, and gone then if it is still there.

    Yields:
        Its path and a descriptor to write to.

    Raises:
        OSError: If it cannot be made.
    """
    with _locked(path, create) as (temporary, fd):
        try:
            yield temporary, fd
        finally:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def new_temporary_folder(path: Path) -> Iterator[Path]:
    """A new folder next to `path` that only this user may enter; as `new_temporary`."""
    with _locked(path, _make_folder) as (temporary, _):
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_temporary_link(source: Path, path: Path) -> Iterator[Path | None]:
    """A second name of `source` next to `path`; as `new_temporary`. None where none can be made.

    Raises:
        OSError: If `source` cannot be opened.
    """
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Shared, for others may be linking the same file.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH)
        temporary = temporary_name(path)
        try:
            fault_point("before_link")
            os.link(source, temporary)
        except OSError:
            yield None
            return
        try:
            yield temporary
        finally:
            # A rename onto another link of the same file leaves both names.
            with suppress(OSError):
                temporary.unlink()
    finally:
        os.close(fd)


def create(path: Path) -> int:
    """Descriptor of a new file, to write to.

    Raises:
        OSError: If `path` exists or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o666)


def is_left_over(path: Path) -> bool:
    """Whether `path` is a temporary of this user whose maker, of this host, is gone."""
    with _left_over(path) as left:
        return left


def remove_left_over(path: Path) -> bool:
    """Remove `path`, a file or a folder, if it is left over; whether it was.

    Raises:
        OSError: If a file cannot be removed.
    """
    with _left_over(path) as left:
        if left and stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        elif left:
            path.unlink(missing_ok=True)
    return left


def can_be_locked(path: Path) -> bool:
    """Whether no process has locked `path`."""
    with _try_lock(path) as locked:
        return locked


@contextmanager
def _locked(path: Path, make: Callable[[Path], int]) -> Iterator[tuple[Path, int]]:
    """What `make` makes next to `path`, locked."""
    while True:
        temporary = temporary_name(path)
        fd = make(temporary)
        # Where there are no locks there is no sweeping.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        # Who sweeps may have come in between the making and the locking.
        if _is_at(fd, temporary):
            break
        os.close(fd)
    try:
        yield temporary, fd
    finally:
        os.close(fd)


def _make_folder(path: Path) -> int:
    path.mkdir(mode=0o700)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def _left_over(path: Path) -> Iterator[bool]:
    """Whether `path` is left over; if it is, it is locked meanwhile."""
    match = _TEMPORARY.fullmatch(path.name)
    if match is None or not is_gone(match[1]) or not _is_ours(path):
        yield False
        return
    with _try_lock(path) as locked:
        yield locked


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


@contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # Over a network the lock takes a descriptor that may write.
        fd = os.open(path, os.O_RDWR | flags)
    except OSError:
        try:
            fd = os.open(path, os.O_RDONLY | flags)
        except OSError:
            yield False
            return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(fd)


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
