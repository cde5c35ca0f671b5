"""A motion-JPEG AVI file made of bytes alone.

Every picture is coded by itself, so that a frame's bytes do not depend on the frames around it,
and the file depends on the JPEG coder only, not on a video library's build.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from stroi.cache.errors import StroiError

_HAS_INDEX = 0x10
_KEYFRAME = 0x10


def encode_jpeg(picture: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Code one picture.

    Args:
        picture: (H, W, 3) uint8, blue, green, red.
        quality: JPEG quality, 1 to 100.

    Returns:
        A JPEG file's bytes.

    Raises:
        StroiError: ``DEMO_VIDEO`` if the coder refuses the picture.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    done, coded = cv2.imencode(".jpg", picture, options)
    if not done:
        raise StroiError(
            "DEMO_VIDEO",
            f"OpenCV could not code a picture of shape {picture.shape}",
            remedy="install opencv-python-headless with JPEG support",
        )
    return coded.tobytes()


def avi(pictures: Iterable[bytes], *, size: tuple[int, int], fps: float) -> bytes:
    """Pack JPEG pictures into a video file.

    Args:
        pictures: JPEG files, one per frame, all of `size`.
        size: Width and height in pixels.
        fps: Frames per second.

    Returns:
        The bytes of an AVI file (RIFF, one MJPG stream, index at the end).
    """
    frames = list(pictures)
    largest = max(map(len, frames), default=0)
    body, index, position = [b"movi"], [], 4
    for frame in frames:
        chunk = _chunk(b"00dc", frame)
        index.append(struct.pack("<4s3I", b"00dc", _KEYFRAME, position, len(frame)))
        body.append(chunk)
        position += len(chunk)
    header = _chunk(b"LIST", b"hdrl" + _headers(len(frames), largest, size, fps))
    movie = _chunk(b"LIST", b"".join(body))
    return _chunk(b"RIFF", b"AVI " + header + movie + _chunk(b"idx1", b"".join(index)))


def _chunk(name: bytes, data: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)


def _headers(count: int, largest: int, size: tuple[int, int], fps: float) -> bytes:
    """Main header and the one stream's headers."""
    width, height = size
    rate, scale = round(fps * 1000), 1000
    main = struct.pack(
        "<14I",
        *(round(1e6 / fps), round(largest * fps), 0, _HAS_INDEX, count, 0, 1, largest),
        *(width, height, 0, 0, 0, 0),
    )
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H",
        *(b"vids", b"MJPG", 0, 0, 0, 0, scale, rate, 0, count, largest, 0xFFFFFFFF, 0),
        *(0, 0, width, height),
    )
    form = struct.pack(
        "<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 3 * width * height, 0, 0, 0, 0
    )
    both = _chunk(b"strh", stream) + _chunk(b"strf", form)
    return _chunk(b"avih", main) + _chunk(b"LIST", b"strl" + both)
