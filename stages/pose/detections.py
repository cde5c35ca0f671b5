"""Everybody that the estimator found in a clip: the costly part, kept per clip by content."""

from __future__ import annotations

import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib.format import write_array
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.files import write_atomic
from stroi.cache.received import open_plain
from stroi.stages.pose.estimator import Estimator
from stroi.stages.video import VideoInfo, read_frames
from stroi.stages.video_opening import MAX_SIDE, MIN_SIDE
from stroi.trainer.tensor_files import read_bytes
from stroi.trainer.zip_members import Member, check_crc, read_members

MAX_BYTES = 2**28
"""Largest kept file that is read: over an hour of video with six people in every frame."""

_HEAD_BYTES = 256
_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<dtype><[fi][48])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9]{1,9}(, [0-9]{1,9}){0,2}),?\), \} *\n",
    re.DOTALL,
)
"""The one form in which numpy writes the header of an array; no part of it is evaluated."""


@dataclass(frozen=True)
class Detections:
    """Detections of one clip of T frames.

    Attributes:
        people: float32 (S, 25, 3), BODY_25 x, y in px and confidence; all people of frame 0, then
            all of frame 1, and so on.
        counts: int32 (T,), people in each frame; they sum to S.
        width: Frame width in px.
        height: Frame height in px.
        fps: Frames per second.
    """

    people: NDArray[np.float32]
    counts: NDArray[np.int32]
    width: int
    height: int
    fps: float

    def by_frame(self) -> list[NDArray[np.float32]]:
        """People of each frame: T arrays (P, 25, 3)."""
        return np.split(self.people, np.cumsum(self.counts)[:-1])

    def as_tracks(self) -> NDArray[np.float32]:
        """Tracks (P, T, 25, 3), where every frame tells of the same people in the same order."""
        return np.stack(self.by_frame(), axis=1)


def measure(video: Path, start: int = 0, stop: int = 0) -> VideoInfo:
    """Frames and size of a clip, by stepping through it.

    Raises:
        ClipRejected: If it cannot be decoded.
    """
    with read_frames(video, start, stop) as frames:
        if frames.skip():
            frames.picture()
        while frames.skip():
            pass
        return frames.info


def detect(video: Path, estimator: Estimator, start: int = 0, stop: int = 0) -> Detections:
    """Run `estimator` over every frame of a clip.

    Args:
        video: The video.
        estimator: Finds people in a frame.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Raises:
        ClipRejected: If the video cannot be decoded.
    """
    with read_frames(video, start, stop) as frames:
        found = [estimator(frame) for frame in frames]
        info = frames.info
    return Detections(
        people=np.concatenate(found).astype(np.float32),
        counts=np.array([len(people) for people in found], np.int32),
        width=info.width,
        height=info.height,
        fps=info.fps,
    )


def save_detections(path: Path, detections: Detections) -> None:
    """Keep `detections` under `path`: a zip file of three uncompressed arrays."""
    size = np.array([detections.width, detections.height, detections.fps], np.float64)
    arrays = {"people": detections.people, "counts": detections.counts, "size": size}
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(ZipInfo(f"{name}.npy"), content.getvalue())
    write_atomic(path, buffer.getvalue())


def load_detections(path: Path) -> Detections | None:
    """What `save_detections` kept, or None if there is nothing whole.

    Kept files may come from elsewhere with the rest of a store, so nothing in them is believed:
    what is damaged, compressed, too large or of another shape counts as not there.
    """
    try:
        with open_plain(path) as (fd, size):
            if size > MAX_BYTES:
                return None
            members = read_members(fd, size, str(path))
            people = _array(fd, members["people.npy"], "<f4", 3)
            counts = _array(fd, members["counts.npy"], "<i4", 1)
            width, height, fps = _array(fd, members["size.npy"], "<f8", 1).tolist()
            found = Detections(people, counts, int(width), int(height), float(fps))
    except (OSError, ValueError, KeyError, OverflowError, RefusedInput):
        return None
    return found if _is_sound(found) else None


def _array(fd: int, member: Member, dtype: str, axes: int) -> NDArray[Any]:
    """The array in a ``.npy`` member, which it has to fill exactly.

    Raises:
        ValueError: If it has another type or number of axes, or does not fill the member.
        RefusedInput: If the member is damaged.
    """
    head = os.pread(fd, min(member.bytes, _HEAD_BYTES), member.start)
    match = _HEAD.match(head)
    if match is None or match["dtype"].decode() != dtype:
        raise ValueError("no array of this type")
    shape = tuple(int(length) for length in match["shape"].split(b",") if length.strip())
    count = math.prod(shape)
    if len(shape) != axes or match.end() + count * np.dtype(dtype).itemsize != member.bytes:
        raise ValueError("an array of another size")
    check_crc(fd, member, "array", "kept detections")
    values = read_bytes(fd, member.start + match.end(), member.bytes - match.end())
    return values.view(dtype).reshape(shape)


def _is_sound(found: Detections) -> bool:
    people, counts = found.people, found.counts
    return bool(
        people.shape[1:] == (25, 3)
        and len(counts) > 0
        and (counts >= 0).all()
        and int(counts.sum(dtype=np.int64)) == len(people)
        and np.isfinite(people).all()
        and MIN_SIDE <= found.width <= MAX_SIDE
        and MIN_SIDE <= found.height <= MAX_SIDE
        and math.isfinite(found.fps)
        and found.fps >= 0
    )
