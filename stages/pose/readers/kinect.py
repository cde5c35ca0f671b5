"""People as a Kinect v2 saw them in its colour picture: NTU RGB+D's ``.skeleton`` files.

No estimator processes the video. `stroi.stages.sensors.bodies` decides by the sensor's own ids,
places and motion who is who and who counts, as for stage ``skeletons3d`` and in the same order.

Legend of shapes: T frames of the clip, P persons, V = 25 joints.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.files.opening import read_regular
from stroi.cache.layouts import BODY_25, KINECT_V2
from stroi.pipeline.index.table import tolerance
from stroi.stages.pose.detections import Detections
from stroi.stages.sensors.bodies import Person, main_bodies
from stroi.stages.sensors.ntu_skeleton import MAX_BYTES, NtuSkeleton, parse_ntu_skeleton
from stroi.stages.sensors.segment import segment_slice
from stroi.stages.video.frames import VideoInfo

COLOUR = (1920, 1080)
"""Width and height in px of the colour picture in which the files place the joints."""

SHAPE_TOLERANCE = 0.02
"""A video whose width over height differs from the colour picture's by more was cut or padded."""

CONFIDENCE: NDArray[np.float32] = np.array([0.0, 0.5, 1.0], np.float32)
"""Of a joint that is not tracked, inferred from others, or tracked."""

Summary = tuple[int, int, int]
"""Bodies in the file, frames of the clip that it lacks, and frames that it has too many."""


def read_kinect(
    file: Path, sha256: str, info: VideoInfo, start: int = 0, stop: int = 0
) -> Detections:
    """The clip's people in every frame of its video.

    Args:
        file: The ``.skeleton`` file, of as many frames as the whole video.
        sha256: Its digest in the index.
        info: The clip's frames, as decoded.
        start: First frame of the clip in the file and in the video.
        stop: Frame after its last; 0 if it lasts to the end.

    Returns:
        In every frame the same P = 1 or 2 people in the same order, the one further left over the
        whole file first; zeros where one is not seen. Px of the video, which may be a smaller
        copy of the colour picture; joints outside the picture are absent.

    Raises:
        ClipRejected: ``SKEL_OPEN``, ``SKEL_CHANGED``, ``SKEL_SIZE`` (a video that does not show
            the whole colour picture), ``SKEL_FRAMES`` (the file is of another video); as
            `parse_ntu_skeleton`, `main_bodies` and `segment_slice`.
    """
    people, (_, missing, surplus) = _read(file, sha256, info.frames, start, stop)
    if max(missing, surplus) > tolerance(info.frames):
        raise ClipRejected(
            "SKEL_FRAMES",
            f"{file.name!a}: {info.frames - missing + surplus} frames for {info.frames} of video",
            remedy="let the table's columns video and skeleton name files of one recording",
        )
    _check_shape(file, info)
    scale = np.array([info.width, info.height]) / COLOUR
    joints = np.zeros((info.frames, len(people), len(BODY_25.joints), 3), np.float32)
    for number, person in enumerate(people):
        segment = to_body25(person.pixels, person.states)[start : start + info.frames - missing]
        joints[: len(segment), number] = segment
    joints[..., :2] *= scale.astype(np.float32)
    inside = ((joints[..., :2] >= 0) & (joints[..., :2] <= (info.width, info.height))).all(axis=-1)
    joints[~inside] = 0
    # (T, P, 25, 3) -> T times (P, 25, 3)
    return Detections.of_frames(list(joints), info)


def summarise(file: Path, sha256: str, frames: int, start: int = 0, stop: int = 0) -> Summary:
    """The numbers for the ledger's remark on a clip of `frames` frames.

    Raises:
        ClipRejected: As `read_kinect`.
    """
    return _read(file, sha256, frames, start, stop)[1]


def to_body25(pixels: NDArray[np.float32], states: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Joints of a Kinect v2 as BODY_25.

    Args:
        pixels: (T, V, 2) px.
        states: (T, V): 0 not tracked, 1 inferred, 2 tracked.

    Returns:
        (T, 25, 3) px and confidence: 1 tracked, 0.5 inferred, zeros where not tracked or unknown:
        it knows no eyes, ears, heels and small toes.
    """
    converted = np.zeros((len(pixels), len(BODY_25.joints), 3), np.float32)
    for target, name in enumerate(BODY_25.joints):
        source = KINECT_V2.stand_in(name)
        if source:
            joint = KINECT_V2.index(source)
            converted[:, target, :2] = pixels[:, joint]
            converted[:, target, 2] = CONFIDENCE[states[:, joint]]
    converted[converted[..., 2] == 0] = 0
    return converted


def _read(
    file: Path, sha256: str, frames: int, start: int, stop: int
) -> tuple[tuple[Person, ...], Summary]:
    """The people of a whole file, and the summary of one clip in it."""
    skeleton, people = _people(file, sha256)
    segment = segment_slice(file, skeleton.frames, start, stop)
    length = segment.stop - segment.start
    return people, (len(skeleton.bodies), max(0, frames - length), max(0, length - frames))


@lru_cache(maxsize=1)
def _people(file: Path, sha256: str) -> tuple[NtuSkeleton, tuple[Person, ...]]:
    """The file, read once for all clips in it; what is digested is what is parsed."""
    try:
        data = read_regular(file, MAX_BYTES)
    except OSError as error:
        raise ClipRejected(
            "SKEL_OPEN",
            f"{file.name!a} cannot be read ({error.strerror})",
            remedy="fetch the file again, or leave the sample out",
        ) from error
    if sha256_bytes(data) != sha256:
        raise ClipRejected(
            "SKEL_CHANGED",
            f"{file.name!a} changed since it was indexed",
            remedy="rebuild the index when nothing writes there",
        )
    skeleton = parse_ntu_skeleton(data, file.name)
    return skeleton, main_bodies(skeleton, file.name)


def _check_shape(file: Path, info: VideoInfo) -> None:
    stretched = info.width * COLOUR[1] / (info.height * COLOUR[0])
    if abs(stretched - 1) > SHAPE_TOLERANCE:
        raise ClipRejected(
            "SKEL_SIZE",
            f"{file.name!a} is of a colour picture of {COLOUR[0]} x {COLOUR[1]} px, which a video"
            f" of {info.width} x {info.height} px does not show whole",
            remedy="take the video as recorded, or made smaller without cutting or padding it",
        )
