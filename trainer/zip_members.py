"""The members of a zip file as `torch.save` writes it: each in one piece, uncompressed, once."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

from stroi.trainer.tensor_files import pieces, refused

MAGIC = b"PK\x03\x04"
MAX_MEMBERS = 4096
MAX_DIRECTORY = 2**20

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FLAGS = 0x0808  # sizes behind the data; names in UTF-8
_UNREADABLE = "its list of members is damaged or not as torch.save writes it"


@dataclass(frozen=True)
class Member:
    """One member: where its bytes lie in the file, and their CRC-32."""

    start: int
    bytes: int
    crc: int


def read_members(fd: int, size: int, where: str) -> dict[str, Member]:
    """Every member of a zip file by name.

    The list at the file's end is what `torch.load` goes by, so it alone is believed, and each
    member's own header must agree with it.

    Args:
        fd: The file, open for reading.
        size: Its size in bytes.
        where: The file, for messages.

    Raises:
        RefusedInput: ``PTH_ZIP`` (damaged, overlapping, doubled, beyond limits) or
            ``PTH_COMPRESSED``.
    """
    count, start, stop = _directory(fd, size, where)
    listing = os.pread(fd, stop - start, start)
    members: dict[str, Member] = {}
    spans = [(start, size)]
    at = 0
    for _ in range(count):
        if len(listing) - at < _CENTRAL.size:
            raise refused("PTH_ZIP", where, _UNREADABLE)
        name, member, header, at = _member(fd, listing, at, where)
        if name in members:
            raise refused("PTH_ZIP", where, f"member {name!a} is there twice")
        members[name] = member
        spans.append((header, member.start + member.bytes))
    if at != len(listing):
        raise refused("PTH_ZIP", where, _UNREADABLE)
    _check_spans(spans, where)
    return members


def check_crc(fd: int, member: Member, name: str, where: str) -> None:
    """Refuse a member whose bytes are not those that were written.

    Raises:
        RefusedInput: ``PTH_DAMAGED``.
    """
    crc = 0
    for piece in pieces(fd, member.start, member.bytes):
        crc = zlib.crc32(piece, crc)
    if crc != member.crc:
        raise refused("PTH_DAMAGED", where, f"member {name!a} does not match its checksum")


def _directory(fd: int, size: int, where: str) -> tuple[int, int, int]:
    """How many members there are, and where their list begins and ends."""
    tail = os.pread(fd, _END.size, max(0, size - _END.size))
    if len(tail) < _END.size or os.pread(fd, 4, 0) != MAGIC:
        raise refused("PTH_ZIP", where, "no zip file")
    magic, disk, first, here, count, length, start, comment = _END.unpack(tail)
    if magic != b"PK\x05\x06" or (disk, first, comment) != (0, 0, 0) or here != count:
        raise refused("PTH_ZIP", where, "no zip file, or cut short, or bytes behind its end")
    if count > MAX_MEMBERS or length > MAX_DIRECTORY:
        raise refused("PTH_ZIP", where, f"{count} members listed in {length} bytes are too many")
    stop = start + length
    large = size - _END.size - _LOCATOR.size - _END_64.size
    if stop == large:
        _check_end_64(os.pread(fd, size - large, large), (count, length, start), large, where)
    elif stop != size - _END.size:
        raise refused("PTH_ZIP", where, _UNREADABLE)
    return count, start, stop


def _check_end_64(tail: bytes, listed: tuple[int, int, int], at: int, where: str) -> None:
    """The records for large files, which torch always writes, must say the same again."""
    magic, length, _, _, disk, first, here, *numbers = _END_64.unpack_from(tail)
    locator = _LOCATOR.unpack_from(tail, _END_64.size)
    good = (
        magic == b"PK\x06\x06"
        and (length, disk, first, here) == (_END_64.size - 12, 0, 0, listed[0])
        and tuple(numbers) == listed
        and locator == (b"PK\x06\x07", 0, at, 1)
    )
    if not good:
        raise refused("PTH_ZIP", where, _UNREADABLE)


def _member(fd: int, listing: bytes, at: int, where: str) -> tuple[str, Member, int, int]:
    """One entry of the list: name, member, place of its header, place of the next entry."""
    entry = _CENTRAL.unpack_from(listing, at)
    magic, _, _, flags, method, _, _, crc, packed, length, *rest = entry
    name_length, extra, comment, disk, _, _, header = rest
    at += _CENTRAL.size
    raw = listing[at : at + name_length]
    name = raw.decode("ascii", "backslashreplace")
    if method != 0 or packed != length:
        raise refused("PTH_COMPRESSED", where, f"member {name[:80]!a} is compressed")
    if magic != b"PK\x01\x02" or flags & ~_FLAGS or disk or len(name) != name_length:
        raise refused("PTH_ZIP", where, _UNREADABLE)
    local = os.pread(fd, _LOCAL.size + name_length, header)
    if len(local) != _LOCAL.size + name_length:
        raise refused("PTH_ZIP", where, _UNREADABLE)
    magic, _, flags, method, _, _, _, packed, size, own, padding = _LOCAL.unpack_from(local)
    same = (magic, method, own) == (MAGIC, 0, name_length) and local.endswith(raw)
    if not same or flags & ~_FLAGS or packed not in (0, length) or size not in (0, length):
        raise refused("PTH_ZIP", where, f"member {name[:80]!a} is not what the list says")
    start = header + _LOCAL.size + name_length + padding
    return name, Member(start, length, crc), header, at + name_length + extra + comment


def _check_spans(spans: list[tuple[int, int]], where: str) -> None:
    """No two members, nor the list of them, may share a byte."""
    reached = 0
    for start, stop in sorted(spans):
        if start < reached:
            raise refused("PTH_ZIP", where, f"members overlap at byte {start}")
        reached = stop
