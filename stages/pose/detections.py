"""Everybody in a clip, as an estimator or a file has them: the costly part, kept by content."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.opening import open_regular
from stroi.stages.pose.estimator import Estimator
from stroi.stages.video.decoding.opening import MAX_SIDE, MIN_SIDE
from stroi.stages.video.frames import VideoInfo
from stroi.stages.video.reader import read_frames

MAX_REMARK = 500
"""Longest remark that is read, in characters."""


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
        remark: What the ledger says about them besides their source, see
            `stroi.stages.video.frames.VideoInfo`.
    """

    people: NDArray[np.float32]
    counts: NDArray[np.int32]
    width: int
    height: int
    fps: float
    remark: str = ""

    @classmethod
    def of_frames(cls, frames: Sequence[NDArray[np.float32]], info: VideoInfo) -> Self:
        """From the people of each frame, T arrays (P, 25, 3)."""
        people = np.concatenate(frames).astype(np.float32)
        counts = np.array([len(frame) for frame in frames], np.int32)
        return cls(people, counts, info.width, info.height, info.fps, info.remark)

    def with_remarks(self, *remarks: str) -> Self:
        """The same with further remarks."""
        return replace(self, remark="; ".join(filter(None, (self.remark, *remarks))))

    def by_frame(self) -> list[NDArray[np.float32]]:
        """People of each frame: T arrays (P, 25, 3)."""
        return np.split(self.people, np.cumsum(self.counts)[:-1])

    def as_tracks(self) -> NDArray[np.float32]:
        """Tracks (P, T, 25, 3), where every frame has the same people in the same order."""
        return np.stack(self.by_frame(), axis=1)


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
        people = [estimator(frame) for frame in frames]
        return Detections.of_frames(people, frames.info)


def save_detections(path: Path, detections: Detections) -> None:
    """Keep `detections` under `path`: a zip file of four uncompressed arrays."""
    buffer = io.BytesIO()
    size = np.array([detections.width, detections.height, detections.fps], np.float64)
    np.savez(
        buffer,
        people=detections.people,
        counts=detections.counts,
        size=size,
        remark=detections.remark,
    )
    # A flush per clip costs more than reading it; one that a power cut damages is made again.
    write_atomic(path, buffer.getvalue(), flush=False)


def load_detections(path: Path) -> Detections | None:
    """What `save_detections` wrote, or None if there is nothing sound.

    The file may come from elsewhere with the rest of a store: what is damaged or of another type
    or shape counts as absent.
    """
    try:
        with (
            open_regular(path) as (fd, _),
            os.fdopen(fd, "rb", closefd=False) as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            people, counts = arrays["people"], arrays["counts"]
            width, height, fps = arrays["size"].tolist()
            remark = arrays["remark"].item()
        detections = Detections(people, counts, int(width), int(height), float(fps), remark)
    except Exception:  # numpy and zipfile let through whatever a damaged file leads to
        return None
    return detections if _is_sound(detections) else None


def _is_sound(detections: Detections) -> bool:
    people, counts = detections.people, detections.counts
    return bool(
        isinstance(detections.remark, str)
        and people.dtype == np.dtype(np.float32)
        and counts.dtype == np.dtype(np.int32)
        and people.shape[1:] == (25, 3)
        and counts.ndim == 1
        and len(counts) > 0
        and (counts >= 0).all()
        and int(counts.sum(dtype=np.int64)) == len(people)
        and np.isfinite(people).all()
        and MIN_SIDE <= detections.width <= MAX_SIDE
        and MIN_SIDE <= detections.height <= MAX_SIDE
        and math.isfinite(detections.fps)
        and detections.fps >= 0
        and len(detections.remark) <= MAX_REMARK
        and detections.remark.isprintable()
    )
