"""Whether a file ends before its container does: most containers state the sizes of their parts.

The number of frames that a header announces proves nothing: it is often an estimate. A part that
the file is too short for proves that bytes are missing.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

_HEAD = 27 + 255
"""Bytes of a part that its size is read from; a page of Ogg has the longest header."""

_ATOMS = frozenset(
    b"ftyp moov mdat free skip wide pnot uuid meta moof mfra sidx ssix styp prft emsg".split()
)
_OPEN_ELEMENTS = frozenset(map(bytes.fromhex, ("18538067", "1f43b675")))
"""Segment and Cluster: a live recording leaves their size open."""

_ELEMENTS = _OPEN_ELEMENTS | {
    bytes.fromhex(element)
    for element in (
        "1a45dfa3", "114d9b74", "1549a966", "1654ae6b", "1c53bb6b", "1254c367", "1043a770",
        "1941a469", "a3", "a0", "e7", "ab", "a7", "ec", "bf",
    )
}  # fmt: skip
"""Matroska's elements at the top, in a segment and in a cluster."""

_UNKNOWN_RIFF = (0, 2**32 - 1)
"""Sizes that a recorder leaves when it cannot go back to write the right one."""

_PACK, _FIRST_STREAM = 0xBA, 0xBB
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_SEARCHED = 2**16


def missing_bytes(fd: int, container: str) -> int:
    """Bytes that the file lacks by the sizes in its container; 0 if it states none.

    Args:
        fd: The file.
        container: Its format by the name that FFmpeg has for it.
    """
    size = os.fstat(fd).st_size
    if container == "mpegts":
        return -size % _ts_packet(os.pread(fd, _HEAD, 0))
    if container == "asf":
        return max(0, _asf_size(os.pread(fd, _ASF_SEARCHED, 0)) - size)
    part_size = next((_PARTS[name] for name in container.split(",") if name in _PARTS), None)
    place = 0
    while part_size and place < size:
        length = part_size(os.pread(fd, _HEAD, place))
        if length <= 0:
            return 0
        place += length
    return max(0, place - size)


def _riff(head: bytes) -> int:
    length = int.from_bytes(head[4:8], "little")
    # Without the byte that makes the length even: some writers leave it out.
    return 0 if head[:4] != b"RIFF" or length in _UNKNOWN_RIFF else 8 + length


def _atom(head: bytes) -> int:
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return length if head[4:8] in _ATOMS and length >= 8 else 0


def _element(head: bytes) -> int:
    id_bytes = 9 - head[0].bit_length()
    if head[:id_bytes] not in _ELEMENTS or len(head) <= id_bytes or not head[id_bytes]:
        return 0
    # As many bytes of the size follow its first one as that has leading zero bits.
    more = 8 - head[id_bytes].bit_length()
    start = id_bytes + 1 + more
    marker = 1 << 7 * (more + 1)
    length = int.from_bytes(head[id_bytes:start], "big") - marker
    if length < marker - 1:
        return start + length
    return start if head[:id_bytes] in _OPEN_ELEMENTS else 0


def _program_part(head: bytes) -> int:
    if head[:3] != b"\0\0\x01" or len(head) < 4:
        return 0
    if head[3] == _PACK:
        longer = len(head) >= 14 and head[4] >> 6 == 1
        return 14 + (head[13] & 7) if longer else 12
    return 6 + int.from_bytes(head[4:6], "big") if head[3] >= _FIRST_STREAM else 0


def _flv_tag(head: bytes) -> int:
    if head[:3] == b"FLV":
        return int.from_bytes(head[5:9], "big") + 4
    return 15 + int.from_bytes(head[1:4], "big") if head[0] & 31 in (8, 9, 18) else 0


def _ogg_page(head: bytes) -> int:
    if head[:4] != b"OggS" or len(head) < 27:
        return 0
    return 27 + head[26] + sum(head[27 : 27 + head[26]])


def _ts_packet(head: bytes) -> int:
    """Length of the packets: those of Blu-ray and AVCHD begin with four bytes more."""
    sizes = {188: 0, 192: 4, 204: 0}
    return next((n for n, at in sizes.items() if head[at::n][:2] == b"GG"), 1)


def _asf_size(head: bytes) -> int:
    """Size of the file by its header; 0 for a broadcast, which does not know it."""
    place = head.find(_ASF_PROPERTIES)
    if place < 0 or len(head) < place + 92:
        return 0
    (size,) = struct.unpack_from("<Q", head, place + 40)
    (flags,) = struct.unpack_from("<I", head, place + 88)
    return 0 if flags & 1 else int(size)


_PARTS: dict[str, Callable[[bytes], int]] = {
    "avi": _riff,
    "mov": _atom,
    "matroska": _element,
    "mpeg": _program_part,
    "flv": _flv_tag,
    "ogg": _ogg_page,
}
"""By format: the beginning of a part to its length, 0 if it is unknown."""
