"""Size of a JPEG or PNG image by its header, read before any decoder sees the file."""

from __future__ import annotations

import struct

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_FRAMES = frozenset(
    (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
)
"""Markers that announce height and width: SOF0 to SOF15 without DHT, JPG and DAC."""

_SCAN, _FILL = 0xDA, 0xFF
_MOST_SEGMENTS = 1000


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height in px that an image's header declares.

    Args:
        data: The whole file.

    Raises:
        ValueError: If it is no JPEG or PNG image, or cut short; the text says which.
    """
    if data.startswith(_PNG):
        return _png_size(data)
    if data.startswith(_JPEG):
        return _jpeg_size(data)
    raise ValueError(f"no JPEG or PNG image (it begins with {data[:8]!r})")


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("a PNG image without its header")
    if not data.endswith(_PNG_END):
        raise ValueError("a PNG image that is cut, or goes on behind its end")
    width, height = struct.unpack_from(">II", data, 16)
    return int(width), int(height)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    if not data.rstrip(b"\0").endswith(_JPEG_END):
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
            return int(width), int(height)
        if marker == _SCAN:
            break
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise ValueError("a JPEG image without its header")
