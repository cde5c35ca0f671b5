"""The AVI writer: a strict walk through its chunks, and OpenCV as the reader."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.stages.demo.avi import avi, encode_jpeg


def pictures(count: int) -> list[NDArray[np.uint8]]:
    """Smooth pictures 64 x 48, each of another brightness."""
    ramp = np.linspace(0, 120, 64, dtype=np.uint8)[None, :, None]
    return [np.broadcast_to(ramp + 4 * i, (48, 64, 3)).astype(np.uint8) for i in range(count)]


def chunks(data: bytes) -> list[tuple[bytes, bytes, int]]:
    """Name, content and position of the chunks that follow one another in `data`."""
    found, at = [], 0
    while at < len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        assert at + 8 + size <= len(data)
        found.append((name, data[at + 8 : at + 8 + size], at))
        at += 8 + size + size % 2
    assert at == len(data)
    return found


def test_opencv_reads_every_frame_back(tmp_path: Path) -> None:
    images = pictures(30)
    path = tmp_path / "clip.avi"
    path.write_bytes(avi([encode_jpeg(i, 95) for i in images], size=(64, 48), fps=15.0))
    reader = cv2.VideoCapture(str(path))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 30
    assert reader.get(cv2.CAP_PROP_FPS) == 15.0
    for image in images:
        done, frame = reader.read()
        assert done
        assert np.abs(frame.astype(int) - image).max() <= 4
    assert not reader.read()[0]


def test_the_index_points_at_the_frames() -> None:
    # Odd lengths need padding that the index must count.
    frames = [b"\xff\xd8" + bytes(n) + b"\xff\xd9" for n in (5, 6, 11)]
    ((name, content, _),) = chunks(avi(frames, size=(64, 48), fps=12.5))
    assert (name, content[:4]) == (b"RIFF", b"AVI ")
    header, movie, index = chunks(content[4:])
    assert header[1][:4] == b"hdrl"
    assert [part[1] for part in chunks(movie[1][4:])] == frames
    assert index[0] == b"idx1"
    for at, frame in zip(range(0, 48, 16), frames, strict=True):
        tag, flags, offset, size = struct.unpack_from("<4s3I", index[1], at)
        assert (tag, flags, size) == (b"00dc", 0x10, len(frame))
        assert movie[1][offset + 8 : offset + 8 + size] == frame


def test_the_headers_say_size_count_and_rate() -> None:
    ((_, content, _),) = chunks(avi([b"1234"] * 3, size=(64, 48), fps=12.5))
    (main, stream_list) = chunks(chunks(content[4:])[0][1][4:])
    fields = struct.unpack("<14I", main[1])
    assert (fields[0], fields[4], fields[8:10]) == (80000, 3, (64, 48))
    (stream, form) = chunks(stream_list[1][4:])
    assert stream[1][:8] == b"vidsMJPG"
    scale, rate, start, length = struct.unpack_from("<4I", stream[1], 20)
    assert (rate / scale, start, length) == (12.5, 0, 3)
    assert len(stream[1]) == 56
    assert struct.unpack_from("<IiiHH4s", form[1]) == (40, 64, 48, 1, 24, b"MJPG")


def test_a_picture_that_cannot_be_coded_is_an_error() -> None:
    # JPEG holds at most 65535 pixels a side.
    with pytest.raises((StroiError, cv2.error)):
        encode_jpeg(np.zeros((1, 70000, 3), np.uint8), 90)
