"""Kind and size of a picture by its header, read before any decoder sees the file."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from stroi.cache.errors import refuse

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG markers that announce height and width: SOF0 to SOF15 without DHT, JPG and DAC."""

_SCAN, _FILL = 0xDA, 0xFF
_MOST_SEGMENTS = 1000


def picture_size(data: bytes, *kinds: str) -> tuple[int, int]:
    """Width and height in px that a picture's header declares.

    Args:
        data: The whole file.
        kinds: Those of ``JPEG``, ``PNG`` and ``WebP`` (lossless alone) that are let through.

    Raises:
        ValueError: If it is none of them, or cut short; the text says which.
    """
    for kind in kinds:
        magic, size = _KINDS[kind]
        if magic.match(data):
            return size(data)
    raise ValueError(f"no {' or '.join(kinds)} image (it begins with {data[:8]!r})")


def check_header(data: bytes, height: int, width: int, where: str) -> None:
    """Refuse all but a JPEG or lossless WebP picture of the size that is declared.

    Args:
        data: The whole file.
        height: Declared height in px.
        width: Declared width in px.
        where: The file and the sample, for messages.

    Raises:
        RefusedInput: ``IMAGE_HEADER``.
    """
    try:
        size = picture_size(data, "JPEG", "WebP")
    except ValueError as error:
        raise refuse("IMAGE_HEADER", f"{where}: {error}") from None
    if size != (width, height):
        raise refuse(
            "IMAGE_HEADER", f"{where} is {size[1]} x {size[0]} px, declared {height} x {width}"
        )


def _jpeg_size(data: bytes) -> tuple[int, int]:
    if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ValueError("a JPEG image that is cut, or goes on behind its end")
    place = 2
    for _ in range(_MOST_SEGMENTS):
        if place + 9 > len(data) or data[place] != 0xFF:
            break
        marker = data[place + 1]
        if marker == _FILL:
            place += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        if marker == _SCAN:
            break
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise ValueError("a JPEG image without its header")


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("a PNG image without its header")
    if not data.endswith(b"IEND\xaeB`\x82"):
        raise ValueError("a PNG image that is cut, or goes on behind its end")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _webp_size(data: bytes) -> tuple[int, int]:
    if len(data) < 25 or len(data) != 8 + int.from_bytes(data[4:8], "little"):
        raise ValueError("a WebP image that is cut, or goes on behind its end")
    bits = int.from_bytes(data[21:25], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


_KINDS: dict[str, tuple[re.Pattern[bytes], Callable[[bytes], tuple[int, int]]]] = {
    "JPEG": (re.compile(rb"\xff\xd8\xff"), _jpeg_size),
    "PNG": (re.compile(rb"\x89PNG\r\n\x1a\n"), _png_size),
    "WebP": (re.compile(rb"RIFF....WEBPVP8L", re.DOTALL), _webp_size),
}
