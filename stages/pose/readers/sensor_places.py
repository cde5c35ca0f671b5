"""People that a sensor's file places in its colour picture, in the frames of the video.

Legend of shapes: F frames of the file, T frames of the clip, P people.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import BODY_25
from stroi.pipeline.index.table import tolerance
from stroi.stages.pose.detections import Detections
from stroi.stages.video.frames import VideoInfo

SHAPE_TOLERANCE = 0.02
"""A video whose width over height differs from the colour picture's by more was cut or padded."""


def place_people(
    file: Path,
    people: Sequence[NDArray[np.float32]],
    segment: slice,
    size: tuple[int, int],
    info: VideoInfo,
) -> Detections:
    """The clip's people in every frame of its video.

    Args:
        file: The sensor's file, for messages.
        people: P arrays (F, 25, 3), BODY_25 px of the colour picture and confidence.
        segment: The clip's frames in the file.
        size: Width and height of the colour picture, of which the video may be a smaller copy.
        info: The clip's frames.

    Returns:
        In every frame the same P people in the same order; zeros where one is not seen. Px of the
        video; joints outside the picture are absent.

    Raises:
        ClipRejected: ``SKEL_SIZE`` (a video that does not show the whole colour picture),
            ``SKEL_FRAMES`` (the file is of another video).
    """
    length = segment.stop - segment.start
    if abs(info.frames - length) > tolerance(info.frames):
        raise ClipRejected(
            "SKEL_FRAMES",
            f"{file.name!a}: {length} frames for {info.frames} of video",
            remedy="let the table's columns video and skeleton name files of one recording",
        )
    _check_shape(file, info, size)
    joints = np.zeros((info.frames, len(people), len(BODY_25.joints), 3), np.float32)
    for number, person in enumerate(people):
        shown = person[segment][: info.frames]
        joints[: len(shown), number] = shown
    joints[..., :2] *= (np.array([info.width, info.height]) / size).astype(np.float32)
    inside = ((joints[..., :2] >= 0) & (joints[..., :2] <= (info.width, info.height))).all(axis=-1)
    joints[~inside] = 0
    # (T, P, 25, 3) -> T times (P, 25, 3)
    return Detections.of_frames(list(joints), info)


def _check_shape(file: Path, info: VideoInfo, size: tuple[int, int]) -> None:
    stretched = info.width * size[1] / (info.height * size[0])
    if abs(stretched - 1) > SHAPE_TOLERANCE:
        raise ClipRejected(
            "SKEL_SIZE",
            f"{file.name!a} is of a colour picture of {size[0]} x {size[1]} px, which a video"
            f" of {info.width} x {info.height} px does not show whole",
            remedy="take the video as recorded, or made smaller without cutting or padding it",
        )
