"""Everybody that the estimator found in a clip: the costly part, kept per clip by content."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stroi.cache.files import write_atomic
from stroi.stages.pose.movenet import Estimator
from stroi.stages.video import Frames


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


def detect(video: Path, estimator: Estimator) -> Detections:
    """Run `estimator` over every frame of `video`.

    Raises:
        ClipRejected: If the video cannot be decoded.
    """
    with Frames(video) as frames:
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
    """Keep `detections` under `path`."""
    buffer = io.BytesIO()
    size = np.array([detections.width, detections.height, detections.fps], np.float64)
    np.savez(buffer, people=detections.people, counts=detections.counts, size=size)
    write_atomic(path, buffer.getvalue())


def load_detections(path: Path) -> Detections | None:
    """What `save_detections` kept, or None if there is nothing whole."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            width, height, fps = data["size"]
            return Detections(data["people"], data["counts"], int(width), int(height), float(fps))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        return None
