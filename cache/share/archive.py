"""A cache as one file: plain USTAR, written and read by the letter.

Any tar program reads what is written here. The other way round only what is written here is read:
a header holds a name and a size, everything else in it is fixed, so an archive is wholly determined
by the files in it and has no room for links, devices, extensions or anything hidden.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.staging import new_file, write_all
from stroi.cache.share.transfer import Piece, pour

MAX_MEMBERS = 10_000
MAX_BYTES = 8**11 - 1
"""Largest size that a header can tell."""

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")
_SIZE = re.compile(rb"([0-7]{11})\0")
_NAME_BYTES = 100
_NO_FILE = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a FIFO",
    b"g": "a pax header",
    b"x": "a pax header",
    b"K": "a GNU long name",
    b"L": "a GNU long name",
    b"S": "a GNU sparse file",
}
_REMEDY = "ask for one that `stroi cache export` wrote, or unpack it and import the folder"


@dataclass(frozen=True)
class Member:
    """A file within an archive: its name without the top folder, and where its bytes lie."""

    name: str
    offset: int
    size: int


def write_archive(
    path: Path,
    top: str,
    pieces: Sequence[Piece],
    on_piece: Callable[[Piece], None] = lambda piece: None,
) -> None:
    """Write a new archive; equal pieces give equal bytes.

    Args:
        path: The new file.
        top: Name of the folder that the members lie in.
        pieces: The members, in the order in which they are written.
        on_piece: Called with each member when it is written.

    Raises:
        ParamsError: ``ARCHIVE_NAME`` or ``ARCHIVE_SIZE`` if USTAR cannot tell one;
            ``ARCHIVE_COUNT`` if there are more than will be read.
        RefusedInput: ``DIGEST`` if a file is not what its piece says.
        OSError: If the disk does not take it.
    """
    check_count(len(pieces))
    for piece in pieces:
        if not _split(f"{top}/{piece.name}"):
            raise ParamsError("ARCHIVE_NAME", f"{top}/{piece.name}: no plain name of an archive")
        if piece.size > MAX_BYTES:
            raise ParamsError(
                "ARCHIVE_SIZE", f"{piece.name}: too large for tar", remedy="export a folder"
            )
    with new_file(path) as fd:
        for piece in pieces:
            write_all(fd, header(f"{top}/{piece.name}", piece.size))
            pour(piece, fd)
            write_all(fd, bytes(-piece.size % _BLOCK))
            on_piece(piece)
        write_all(fd, _END)


def read_members(fd: int, total: int, where: str) -> tuple[str, tuple[Member, ...]]:
    """Name of the top folder, and every member, of an archive; only its headers are read.

    Args:
        fd: Descriptor of the archive, a regular file.
        total: Its size in bytes.
        where: The archive, for messages.

    Raises:
        RefusedInput: ``ARCHIVE_FORMAT``, ``ARCHIVE_CHECKSUM``, ``ARCHIVE_TYPE``,
            ``ARCHIVE_NAME``, ``ARCHIVE_DUPLICATE``, ``ARCHIVE_SIZE``, ``ARCHIVE_COUNT`` or
            ``ARCHIVE_END``.
    """
    members: dict[str, Member] = {}
    top, at = "", 0
    while (block := _read_block(fd, at, where)) != bytes(_BLOCK):
        place = f"{where}: member {len(members)}"
        folder, name, size = _read_header(block, place)
        if members and folder != top:
            raise _refused("ARCHIVE_NAME", f"{place} lies in {folder!a}, others in {top!a}")
        if name.casefold() in members:
            raise _refused("ARCHIVE_DUPLICATE", f"{place}: {name!a} is there already")
        if len(members) == MAX_MEMBERS:
            raise _refused("ARCHIVE_COUNT", f"{where} has more than {MAX_MEMBERS} members")
        top, start = folder, at + _BLOCK
        if size > total - start:
            raise _refused(
                "ARCHIVE_SIZE", f"{place} claims {size} bytes, {max(0, total - start)} are left"
            )
        members[name.casefold()] = Member(name, start, size)
        at = start + size + -size % _BLOCK
        if any(os.pread(fd, -size % _BLOCK, start + size)):
            raise _refused("ARCHIVE_FORMAT", f"{place} has bytes hidden behind its end")
    if at + len(_END) != total or _read_block(fd, at + _BLOCK, where) != bytes(_BLOCK):
        raise _refused("ARCHIVE_END", f"{where} goes on behind its end, or ends too early")
    return top, tuple(members.values())


def check_count(files: int) -> None:
    """Refuse to publish more files than are taken in.

    Raises:
        ParamsError: ``ARCHIVE_COUNT``.
    """
    if files > MAX_MEMBERS:
        raise ParamsError(
            "ARCHIVE_COUNT",
            f"{files} files, at most {MAX_MEMBERS} are read",
            remedy="rebuild the cache with more clips_per_shard",
        )


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a member: every field but these two is fixed."""
    fields = (
        name.encode("ascii").ljust(_NAME_BYTES, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,  # mode, owner, group
        f"{size:011o}\0".encode(),
        b"00000000000\0",  # time
        b" " * 8,  # checksum, which counts itself as spaces
        b"0" + bytes(100),  # type, link name
        b"ustar\x0000" + bytes(64),  # magic and version, names of owner and group
        b"0000000\0" * 2 + bytes(155 + 12),  # device, prefix, padding
    )
    block = b"".join(fields)
    return block[:148] + f"{sum(block):06o}\0 ".encode() + block[156:]


def _read_block(fd: int, at: int, where: str) -> bytes:
    block = os.pread(fd, _BLOCK, at)
    if len(block) != _BLOCK:
        raise _refused("ARCHIVE_END", f"{where} ends too early")
    return block


def _read_header(block: bytes, where: str) -> tuple[str, str, int]:
    if block[257:262] != b"ustar":
        raise _refused("ARCHIVE_FORMAT", f"{where} has no USTAR header")
    checksum = sum(block[:148]) + sum(b" " * 8) + sum(block[156:])
    if block[148:156] != f"{checksum:06o}\0 ".encode():
        raise _refused("ARCHIVE_CHECKSUM", f"{where}: its header is damaged")
    if block[156:157] != b"0":
        what = _NO_FILE.get(block[156:157], "of an unknown type")
        raise _refused("ARCHIVE_TYPE", f"{where} is {what}, allowed are plain files")
    raw = block[:_NAME_BYTES].rstrip(b"\0").decode("ascii", "backslashreplace")
    names = _split(raw)
    if names is None or any(block[345:500]):
        raise _refused("ARCHIVE_NAME", f"{where} is called {raw!a}, want FOLDER/FILE")
    size = _SIZE.fullmatch(block[124:136])
    if size is None:
        raise _refused("ARCHIVE_SIZE", f"{where}: its size is no octal number")
    if block != header(raw, int(size[1], 8)):
        raise _refused("ARCHIVE_FORMAT", f"{where} has header fields that stroi does not write")
    return *names, int(size[1], 8)


def _split(name: str) -> tuple[str, str] | None:
    match = _NAME.fullmatch(name)
    if match is None or ".." in name or len(name) > _NAME_BYTES:
        return None
    return match[1], match[2]


def _refused(code: str, message: str) -> RefusedInput:
    return RefusedInput(code, message, remedy=_REMEDY)
