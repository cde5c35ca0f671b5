"""Detecting people only in the frames that a mosaic needs, and in enough between to track them.

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

from stroi.stages.pose.detections import Detections
from stroi.stages.pose.estimator import Estimator, no_people
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import FPS, track
from stroi.stages.video.frame_count import count_frames, decode_frames
from stroi.stages.video.frames import VideoInfo
from stroi.stages.video.reader import read_frames

MAX_STEP = 1 / 6
"""Longest time in seconds between two processed frames, so that people can be followed."""


def frames_to_process(needed: Sequence[int], count: int, fps: float) -> NDArray[np.intp]:
    """The frames needed, and frames evenly between them, none more than 1/6 s from the next.

    From the first frame to the last: the people are chosen by the whole clip.

    Args:
        needed: Frame indices, rising; repeats allowed.
        count: Frames of the clip, T.
        fps: Frames per second; 0 if unknown.

    Returns:
        (F,) indices, rising, without repeats.
    """
    step = max(1, int(MAX_STEP * (fps if 1 <= fps <= 1000 else FPS)))
    fixed = sorted({0, count - 1, *needed})
    processed = fixed[:1]
    for before, after in pairwise(fixed):
        parts = -(-(after - before) // step)
        processed += [before + (after - before) * part // parts for part in range(1, parts + 1)]
    return np.array(processed, np.intp)


def detect_sampled(
    video: Path,
    estimator: Estimator,
    needed: Callable[[int], Sequence[int]],
    start: int = 0,
    stop: int = 0,
) -> Detections:
    """Run `estimator` over `frames_to_process` of a clip.

    How many frames there are is known only at the end of the video: they are counted before.

    Args:
        video: The video.
        estimator: Finds people in a frame.
        needed: Number of frames to those that are needed, rising, counted from `start`.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Returns:
        Everybody detected; nobody in frames that were not processed.

    Raises:
        ClipRejected: If the video cannot be decoded.
    """
    info = count_frames(video, start, stop)
    people, decoded = _process(video, estimator, needed, info, start, stop)
    if decoded != info.frames:
        info = decode_frames(video, start, stop)
        people, _ = _process(video, estimator, needed, info, start, stop)
    return Detections.of_frames(people, info)


def _process(
    video: Path,
    estimator: Estimator,
    needed: Callable[[int], Sequence[int]],
    info: VideoInfo,
    start: int,
    stop: int,
) -> tuple[list[NDArray[np.float32]], int]:
    """The people of `info.frames` frames, and how many frames decode."""
    processed = set(frames_to_process(needed(info.frames), info.frames, info.fps).tolist())
    people = [no_people()] * info.frames
    with read_frames(video, start, stop) as frames:
        decoded = 0
        while frames.skip():
            if decoded in processed:
                people[decoded] = estimator(frames.picture())
            decoded += 1
    return people, decoded


def sampled_persons(
    detections: Detections, processed: NDArray[np.intp], **options: Any
) -> tuple[NDArray[np.float32], int]:
    """The clip's people by the frames that were processed.

    Args:
        detections: Everybody detected; nobody in frames that were not processed.
        processed: (F,) frames that were.
        **options: Of `stroi.stages.pose.tracking.person_selection.main_persons`; shares are of
            the processed frames, and gaps are not filled.

    Returns:
        Key points (T, P, 25, 3) float32, zeros in frames that were not processed, and the person
        count.

    Raises:
        ClipRejected: ``NO_PERSON``.
    """
    # (tracks, T, 25, 3) -> (tracks, F, 25, 3)
    tracks = track(detections.by_frame(), fps=detections.fps)[:, processed]
    chosen, count = main_persons(tracks, **(options | {"fill_gap": 0}))
    keypoints = np.zeros((len(detections.counts), *chosen.shape[1:]), np.float32)
    keypoints[processed] = chosen
    return keypoints, count
