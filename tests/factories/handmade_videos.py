"""Videos written byte by byte, so that their headers and pictures can say anything."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def mux(
    pictures: list[bytes], declared: int, *, code: bytes = b"MJPG", size: tuple[int, int] = (96, 64)
) -> bytes:
    """An AVI of coded pictures whose header says that there are `declared` of this `size`."""
    main = struct.pack("<14I", 80000, 0, 0, 0, declared, 0, 1, 0, *size, 0, 0, 0, 0)
    places = [min(side, 65535) for side in size]
    times = struct.pack("<10I4H", 0, 0, 0, 2, 25, 0, declared, 0, 0, 0, 0, 0, *places)
    form = struct.pack("<IiiHH4s5I", 40, *size, 1, 24, code, 0, 0, 0, 0, 0)
    lists = b"strl" + chunk(b"strh", b"vids" + code + times) + chunk(b"strf", form)
    header = b"hdrl" + chunk(b"avih", main) + chunk(b"LIST", lists)
    movie = b"movi" + b"".join(chunk(b"00dc", picture) for picture in pictures)
    return chunk(b"RIFF", b"AVI " + chunk(b"LIST", header) + chunk(b"LIST", movie))


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    good, data = cv2.imencode(".jpg", frame)
    assert good
    return data.tobytes()


def black_jpeg(width: int, height: int) -> bytes:
    return jpeg(np.zeros((height, width, 3), np.uint8))


def black_png(width: int, height: int) -> bytes:
    """A black picture of four 16-bit channels: a thousandth of the memory that it takes."""
    row = 1 + 8 * width
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    # A full flush forgets what came before, so the same rows may follow any number of times.
    some = coder.compress(bytes(row)) + coder.flush(zlib.Z_FULL_FLUSH)
    checksum = (row * height % 65521) << 16 | 1
    packed = b"\x78\x01" + some * height + coder.flush() + struct.pack(">I", checksum)
    head = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def write(path: Path, fourcc: str, frames: list[NDArray[np.uint8]], fps: float = 12.5) -> Path:
    """A video as OpenCV's encoder writes it."""
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*fourcc)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def turned(data: bytes) -> bytes:
    """An MP4 file whose header asks players to show it turned by a quarter."""
    matrix = data.index(b"tkhd") + 44
    turn = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    return data[:matrix] + turn + data[matrix + 36 :]


def bombs() -> dict[str, bytes]:
    """Small files whose pictures would take 0.4 to 4 GB."""
    small, large = black_png(96, 64), black_png(16_000, 16_000)
    return {
        "PNG first": mux([large], 1, code=b"MPNG"),
        "PNG later": mux([*[small] * 3, *[large] * 2], 5, code=b"MPNG"),
        "PNG late": mux([*[small] * 60, large], 61, code=b"MPNG"),
        "JPEG later": mux([*[black_jpeg(96, 64)] * 3, *[black_jpeg(16_000, 9_000)] * 2], 5),
    }
