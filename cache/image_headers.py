"""What the first bytes of a picture say, read by ourselves before any decoder sees it.

Only the two shapes of file that stroi writes are let through, so that neither another format nor
a picture of another size can reach the image library.
"""

from __future__ import annotations

import re
import struct

from stroi.cache.schema import refused

_SOI, _EOI, _JFIF = b"\xff\xd8", b"\xff\xd9", b"JFIF\0"
_APP0, _DQT, _DHT, _SOF0, _SOS = 0xFFE0, 0xFFDB, 0xFFC4, 0xFFC0, 0xFFDA
_MARKER = re.compile(rb"\xff[^\x00]")
_MAX_SEGMENTS = 32
_WEBP_HEADER = struct.Struct("<4sI4s4sIBI")
_SIZE_BITS = 14


def check_header(data: bytes, height: int, width: int, where: str) -> None:
    """Refuse all but what `check_webp` or, for anything that is no RIFF file, `check_jpeg` takes.

    Args:
        data: The whole file.
        height: Declared height in px.
        width: Declared width in px.
        where: The file and the sample, for messages.

    Raises:
        RefusedInput: ``IMAGE_HEADER``.
    """
    check = check_webp if data.startswith(b"RIFF") else check_jpeg
    check(data, height, width, where)


def check_jpeg(data: bytes, height: int, width: int, where: str) -> None:
    """Refuse all but a baseline JFIF picture of one scan, 3 colours and the size that is declared.

    The file may hold SOI, APP0 (JFIF), DQT, DHT, one SOF0, one SOS, its data and EOI, nothing else:
    no metadata, restart markers, further scans, or bytes behind the end.

    Args:
        data: The whole file.
        height: Declared height in px.
        width: Declared width in px.
        where: The file and the sample, for messages.

    Raises:
        RefusedInput: ``IMAGE_HEADER``.
    """
    if not data.startswith(_SOI):
        raise refused("IMAGE_HEADER", f"{where} is not a JPEG picture")
    place, frame = len(_SOI), b""
    for number in range(_MAX_SEGMENTS):
        code, body = _segment(data, place, where)
        place += 4 + len(body)
        if (number == 0) != (code == _APP0) or (number == 0 and not body.startswith(_JFIF)):
            raise refused("IMAGE_HEADER", f"{where} does not start with one JFIF header")
        if code == _SOS:
            _check_scan(frame, body, where)
            break
        if code == _SOF0 and not frame:
            _check_frame(body, height, width, where)
            frame = body
        elif code not in (_APP0, _DQT, _DHT):
            raise refused("IMAGE_HEADER", f"{where} has a JPEG segment {code:04X} that ours lack")
    else:
        raise refused("IMAGE_HEADER", f"{where} has more than {_MAX_SEGMENTS} JPEG segments")
    marker = _MARKER.search(data, place)
    if marker is None or marker[0] != _EOI or marker.end() != len(data):
        raise refused("IMAGE_HEADER", f"{where} is cut, or goes on behind its only scan")


def check_webp(data: bytes, height: int, width: int, where: str) -> None:
    """Refuse all but a lossless WebP picture without alpha, of the size that is declared.

    The file is one RIFF container that holds one VP8L chunk and nothing else: no metadata,
    animation, or bytes behind the end.

    Args:
        data: The whole file.
        height: Declared height in px.
        width: Declared width in px.
        where: The file and the sample, for messages.

    Raises:
        RefusedInput: ``IMAGE_HEADER``.
    """
    if len(data) < _WEBP_HEADER.size:
        raise refused("IMAGE_HEADER", f"{where} is cut after {len(data)} bytes")
    riff, total, webp, chunk, length, signature, bits = _WEBP_HEADER.unpack_from(data)
    if (riff, webp, chunk, signature) != (b"RIFF", b"WEBP", b"VP8L", 0x2F):
        raise refused("IMAGE_HEADER", f"{where} is not a lossless WebP picture")
    if total + 8 != len(data) or 20 + length + length % 2 != len(data):
        raise refused("IMAGE_HEADER", f"{where} has {len(data)} bytes, its header says otherwise")
    mask = (1 << _SIZE_BITS) - 1
    found = (bits >> _SIZE_BITS & mask) + 1, (bits & mask) + 1
    _check_size(found, height, width, where)
    if bits >> 2 * _SIZE_BITS:
        raise refused("IMAGE_HEADER", f"{where} has an alpha channel or a version that ours lack")


def _segment(data: bytes, place: int, where: str) -> tuple[int, bytes]:
    if place + 4 > len(data):
        raise refused("IMAGE_HEADER", f"{where} is cut after {len(data)} bytes")
    code, length = struct.unpack_from(">HH", data, place)
    body = data[place + 4 : place + 2 + length]
    if length < 2 or len(body) != length - 2:
        raise refused("IMAGE_HEADER", f"{where}: JPEG segment {code:04X} does not fit the file")
    return code, body


def _check_frame(body: bytes, height: int, width: int, where: str) -> None:
    if len(body) != 15 or body[0] != 8 or body[5] != 3:
        raise refused("IMAGE_HEADER", f"{where} does not have 3 colours of 8 bits")
    _check_size(struct.unpack_from(">HH", body, 1), height, width, where)
    if body[7] not in (0x11, 0x12, 0x21, 0x22) or body[10] != 0x11 or body[13] != 0x11:
        raise refused("IMAGE_HEADER", f"{where} has colours sampled as ours never are")


def _check_scan(frame: bytes, body: bytes, where: str) -> None:
    if not frame:
        raise refused("IMAGE_HEADER", f"{where} has no baseline frame before its data")
    if len(body) != 10 or body[0] != 3 or body[1:7:2] != frame[6::3] or body[7:] != b"\x00\x3f\x00":
        raise refused("IMAGE_HEADER", f"{where} does not hold all colours in one scan")


def _check_size(found: tuple[int, ...], height: int, width: int, where: str) -> None:
    if found != (height, width):
        raise refused(
            "IMAGE_HEADER", f"{where} is {found[0]} x {found[1]} px, declared {height} x {width}"
        )
