"""Small videos whose frames show their number as bars."""

from __future__ import annotations

from pathlib import Path

import handmade_videos
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def numbered(index: int) -> Frame:
    """Picture that shows its number as six 16 px wide bars, lowest bit first."""
    bits = [(index >> bit) & 1 for bit in range(6)]
    row = np.repeat(np.array(bits, np.uint8) * 255, 16)
    return np.repeat(np.tile(row, (64, 1))[..., None], 3, axis=2)


def number_of(frame: Frame) -> int:
    bars = frame.reshape(64, 6, 16, 3).mean(axis=(0, 2, 3))
    return int(sum(1 << bit for bit in range(6) if bars[bit] > 127))


def write(path: Path, fourcc: str = "MJPG", count: int = 40) -> Path:
    return handmade_videos.write(path, fourcc, [numbered(index) for index in range(count)])


def truncated(path: Path) -> None:
    """A video of 40 frames of which the second half is missing."""
    data = write(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
