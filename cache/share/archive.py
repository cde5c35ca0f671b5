"""Files on their way out of and into a cache: as one plain USTAR archive, or as a folder.

Any tar program reads what is written here. Only plain files in one folder are read back: links,
devices, folders and extended headers are refused.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stroi.cache.errors import ParamsError, RefusedInput, refuse
from stroi.cache.files.atomic import write_all
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.opening import open_no_link
from stroi.cache.files.staging import new_file

MAX_ENTRIES = 10_000
MAX_BYTES = 8**11 - 1
"""Largest size that a USTAR header can hold."""

RECEIVED_REMEDY = "ask the sender for a cache that `stroi cache export` wrote"

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")
_NAME_BYTES = 100
_CHUNK = 1 << 20


@dataclass(frozen=True)
class OutgoingFile:
    """A file to publish.

    Attributes:
        name: Its plain name.
        size: Its length in bytes.
        sha256: Digest of its bytes.
        source: Path of its bytes, or the bytes.
    """

    name: str
    size: int
    sha256: str
    source: Path | bytes


@dataclass(frozen=True)
class ArchiveEntry:
    """A received file: its name without the folder, and where its bytes are in the archive."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class ReceivedFiles:
    """A received folder or archive.

    Attributes:
        where: Its path.
        entries: Its files by name; the sizes are those found when it was opened.
        copy: Writes an entry's bytes to a descriptor and returns their SHA-256.
    """

    where: Path
    entries: dict[str, ArchiveEntry]
    copy: Callable[[ArchiveEntry, int], str]

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(entry.size for entry in self.entries.values())


def write_archive(
    path: Path,
    top: str,
    files: Sequence[OutgoingFile],
    on_file: Callable[[OutgoingFile], None] = lambda file: None,
) -> None:
    """Write a new archive; equal files give equal bytes.

    Args:
        path: The new archive.
        top: Name of the folder that the files lie in.
        files: The files, in the order in which they are written.
        on_file: Called with each file after it is written.

    Raises:
        ParamsError: ``ARCHIVE_NAME`` or ``ARCHIVE_SIZE`` if a USTAR header cannot hold one;
            ``ARCHIVE_COUNT`` if there are more than will be read.
        RefusedInput: ``DIGEST`` or ``SOURCE`` if a file is not what its entry says.
        OSError: If the disk does not take it.
    """
    check_count(len(files))
    for file in files:
        if not _split(f"{top}/{file.name}"):
            raise ParamsError("ARCHIVE_NAME", f"{top}/{file.name}: no plain name of an archive")
        if file.size > MAX_BYTES:
            raise ParamsError(
                "ARCHIVE_SIZE", f"{file.name}: too large for tar", remedy="export a folder"
            )
    with new_file(path) as fd:
        for file in files:
            write_all(fd, header(f"{top}/{file.name}", file.size))
            copy_checked(file, fd)
            write_all(fd, bytes(-file.size % _BLOCK))
            on_file(file)
        write_all(fd, _END)


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a file: no time, owner or mode of this machine."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii")


def check_count(files: int) -> None:
    """Refuse to publish more files than an import reads.

    Raises:
        ParamsError: ``ARCHIVE_COUNT``.
    """
    if files > MAX_ENTRIES:
        raise ParamsError(
            "ARCHIVE_COUNT",
            f"{files} files, at most {MAX_ENTRIES} are read",
            remedy="rebuild the cache with more clips_per_shard",
        )


def copy_checked(file: OutgoingFile, out: int) -> None:
    """Write the bytes of `file` to the descriptor `out`.

    Raises:
        RefusedInput: ``DIGEST`` if they have another digest; ``SOURCE`` if they cannot be read.
        OSError: If the disk does not take them.
    """
    if isinstance(file.source, bytes):
        write_all(out, file.source)
        fault_point("mid_write")
        copied = sha256(file.source).hexdigest()
    else:
        with open_no_link(file.source, "SOURCE") as (fd, _):
            copied = copy_range(fd, 0, file.size, out, str(file.source))
    if copied != file.sha256:
        raise RefusedInput("DIGEST", f"{file.name} changed meanwhile", remedy="wait for its writer")


def copy_range(fd: int, offset: int, count: int, out: int, where: str) -> str:
    """Copy `count` bytes from `offset` of one descriptor to another, in bounded memory.

    Returns:
        Their SHA-256.

    Raises:
        RefusedInput: ``SOURCE`` if there are fewer or they cannot be read.
        OSError: If the disk does not take them.
    """
    sha, end = sha256(), offset + count
    while offset < end:
        try:
            chunk = os.pread(fd, min(_CHUNK, end - offset), offset)
        except OSError as error:
            raise RefusedInput(
                "SOURCE", f"{where} cannot be read: {error.strerror}", remedy="check its disk"
            ) from error
        if not chunk:
            raise RefusedInput("SOURCE", f"{where} ends too early", remedy="fetch it again")
        sha.update(chunk)
        write_all(out, chunk)
        fault_point("mid_write")
        offset += len(chunk)
    return sha.hexdigest()


@contextmanager
def open_received(source: Path) -> Iterator[ReceivedFiles]:
    """Open a received folder or archive for copying; links are not followed.

    Raises:
        RefusedInput: ``IMPORT_OPEN``, ``IMPORT_FILE`` or ``ARCHIVE_*``.
    """
    if source.is_symlink() or not source.is_dir():
        with open_no_link(source, "IMPORT_OPEN", remedy=RECEIVED_REMEDY) as (archive, size):

            def copy_from_archive(entry: ArchiveEntry, out: int) -> str:
                return copy_range(archive, entry.offset, entry.size, out, entry.name)

            entries = read_entries(archive, size, str(source))
            yield ReceivedFiles(source, {each.name: each for each in entries}, copy_from_archive)
        return

    def copy_from_folder(entry: ArchiveEntry, out: int) -> str:
        path = source / entry.name
        with open_no_link(path, "IMPORT_FILE", remedy=RECEIVED_REMEDY) as (fd, _):
            return copy_range(fd, 0, entry.size, out, entry.name)

    yield ReceivedFiles(source, _list_folder(source), copy_from_folder)


def read_entries(fd: int, total: int, where: str) -> tuple[ArchiveEntry, ...]:
    """Every file of an archive; only the headers are read.

    Args:
        fd: Descriptor of the archive, a regular file.
        total: Its size in bytes.
        where: The archive, for messages.

    Raises:
        RefusedInput: ``ARCHIVE_FORMAT``, ``ARCHIVE_TYPE``, ``ARCHIVE_NAME``,
            ``ARCHIVE_DUPLICATE``, ``ARCHIVE_SIZE`` or ``ARCHIVE_COUNT``.
    """
    entries: dict[str, ArchiveEntry] = {}
    top, at = "", 0
    while (block := os.pread(fd, _BLOCK, at)) != bytes(_BLOCK):
        if len(entries) == MAX_ENTRIES:
            raise refuse("ARCHIVE_COUNT", f"{where} has more than {MAX_ENTRIES} files")
        place = f"{where}: file {len(entries)}"
        folder, entry = _read_header(block, at + _BLOCK, place)
        if entries and folder != top:
            raise refuse("ARCHIVE_NAME", f"{place} lies in {folder!a}, others in {top!a}")
        if entry.name.casefold() in entries:
            raise refuse("ARCHIVE_DUPLICATE", f"{place}: {entry.name!a} is there already")
        left = total - entry.offset
        if not 0 <= entry.size <= left:
            raise refuse("ARCHIVE_SIZE", f"{place} claims {entry.size} bytes, {left} are left")
        entries[entry.name.casefold()] = entry
        top, at = folder, entry.offset + entry.size + -entry.size % _BLOCK
    return tuple(entries.values())


def refuse_received(message: str) -> RefusedInput:
    """The refusal of a file that does not belong into a cache, for the caller to raise."""
    return refuse("IMPORT_FILE", message, RECEIVED_REMEDY)


def _read_header(block: bytes, offset: int, where: str) -> tuple[str, ArchiveEntry]:
    """Folder and entry of one header."""
    try:
        # One block at a time, so that no extended header is ever interpreted.
        info = tarfile.TarInfo.frombuf(block, "ascii", "surrogateescape")
    except tarfile.HeaderError as error:
        raise refuse("ARCHIVE_FORMAT", f"{where} has no tar header: {error}") from None
    if info.type != tarfile.REGTYPE:
        raise refuse("ARCHIVE_TYPE", f"{where} has type {info.type!a}, only plain files are read")
    names = _split(info.name)
    if names is None:
        raise refuse("ARCHIVE_NAME", f"{where} is called {info.name!a}, want FOLDER/FILE")
    return names[0], ArchiveEntry(names[1], offset, info.size)


def _split(name: str) -> tuple[str, str] | None:
    match = _NAME.fullmatch(name)
    if match is None or ".." in name or len(name) > _NAME_BYTES:
        return None
    return match[1], match[2]


def _list_folder(source: Path) -> dict[str, ArchiveEntry]:
    listed: dict[str, ArchiveEntry] = {}
    with os.scandir(source) as entries:
        for entry in entries:
            if len(listed) == MAX_ENTRIES:
                raise refuse_received(f"{source} has more than {MAX_ENTRIES} files")
            if not entry.is_file(follow_symlinks=False):
                raise refuse_received(f"{source}: {entry.name!a} is not a regular file")
            size = entry.stat(follow_symlinks=False).st_size
            listed[entry.name] = ArchiveEntry(entry.name, 0, size)
    return listed
