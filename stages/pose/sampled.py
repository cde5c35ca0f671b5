"""Finding people only where they are needed: the mosaic's frames, and enough between to track.

For data sets whose graph network sees other skeletons, such as a sensor's: a mosaic of L columns
needs the joints of L frames alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.stages.pose.detections import Detections, measure
from stroi.stages.pose.estimator import Estimator, nobody
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import FPS, track
from stroi.stages.video.reader import read_frames

STEP = 1 / 6
"""Longest time in seconds between two frames looked at, so that people can be followed."""

Needed = Callable[[int], Sequence[int]]
"""Frames that are needed of a clip of so many frames, rising."""


def frames_to_look_at(needed: Sequence[int], count: int, fps: float) -> NDArray[np.intp]:
    """The frames needed, and frames evenly between them, none more than 1/6 s from the next.

    From the first frame to the last: who is a subject shows over the whole clip.

    Args:
        needed: Frame indices, rising; repeats allowed.
        count: Frames of the clip, T.
        fps: Frames per second; 0 if unknown.

    Returns:
        (F,) indices, rising, without repeats.
    """
    step = max(1, int(STEP * (fps if 1 <= fps <= 1000 else FPS)))
    fixed = sorted({0, count - 1, *needed})
    look = fixed[:1]
    for before, after in pairwise(fixed):
        parts = -(-(after - before) // step)
        look += [before + (after - before) * part // parts for part in range(1, parts + 1)]
    return np.array(look, np.intp)


def detect_where_needed(
    video: Path, estimator: Estimator, needed: Needed, start: int = 0, stop: int = 0
) -> tuple[Detections, NDArray[np.intp]]:
    """Run `estimator` over the frames of a clip that are needed and those between (STEP).

    The video is stepped through twice, because how many frames it has is known at its end.

    Args:
        video: The video.
        estimator: Finds people in a frame.
        needed: Which frames are needed, counted from `start`.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Returns:
        Everybody found, nobody in frames not looked at, and the (F,) frames looked at.

    Raises:
        ClipRejected: If the video cannot be decoded.
    """
    info = measure(video, start, stop)
    look = frames_to_look_at(needed(info.frames), info.frames, info.fps)
    wanted = set(look.tolist())
    found = [nobody()] * info.frames
    with read_frames(video, start, stop) as frames:
        for time in range(int(look[-1]) + 1):
            frames.skip()
            if time in wanted:
                found[time] = estimator(frames.picture())
    counts = np.array([len(people) for people in found], np.int32)
    people = np.concatenate(found).astype(np.float32)
    return Detections(people, counts, info.width, info.height, info.fps), look


def sparse_persons(
    found: Detections, look: NDArray[np.intp], **options: Any
) -> tuple[NDArray[np.float32], int]:
    """The clip's subjects by the frames looked at.

    Args:
        found: Everybody found; nobody in frames not looked at.
        look: (F,) frames looked at.
        **options: Of `stroi.stages.pose.tracking.person_selection.main_persons`; shares are of
            the frames looked at, and gaps are not filled.

    Returns:
        Key points (T, 2, 25, 3) float32, zeros in frames not looked at, and the person count.

    Raises:
        ClipRejected: ``NO_PERSON``.
    """
    tracks = track(found.by_frame(), fps=found.fps)[:, look]
    keypoints = np.zeros((len(found.counts), 2, 25, 3), np.float32)
    keypoints[look], count = main_persons(tracks, **(options | {"fill_gap": 0}))
    return keypoints, count
