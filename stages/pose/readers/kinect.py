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
from stroi.cache.rois import PAPER_PEOPLE
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.readers.sensor_places import place_people
from stroi.stages.sensors.bodies import Person, main_bodies
from stroi.stages.sensors.ntu_skeleton import MAX_BYTES, NtuSkeleton, parse_ntu_skeleton
from stroi.stages.sensors.segment import segment_slice
from stroi.stages.video.frames import VideoInfo

COLOUR = (1920, 1080)
"""Width and height in px of the colour picture in which the files place the joints."""

CONFIDENCE: NDArray[np.float32] = np.array([0.0, 0.5, 1.0], np.float32)
"""Of a joint that is not tracked, inferred from others, or tracked."""

Summary = tuple[int, int, int]
"""Bodies in the file, frames of the clip that it lacks, and frames that it has too many."""


def read_kinect(
    file: Path,
    sha256: str,
    info: VideoInfo,
    start: int = 0,
    stop: int = 0,
    *,
    people: int = PAPER_PEOPLE,
) -> Detections:
    """The clip's people in every frame of its video.

    Args:
        file: The ``.skeleton`` file, of as many frames as the whole video.
        sha256: Its digest in the index.
        info: The clip's frames.
        start: First frame of the clip in the file and in the video.
        stop: Frame after its last; 0 if it lasts to the end.
        people: Most people kept.

    Returns:
        In every frame the same P people in the same order, from left to right over the whole
        file; zeros where one is not seen. Px of the video, which may be a smaller copy of the
        colour picture; joints outside the picture are absent.

    Raises:
        ClipRejected: ``SKEL_OPEN``, ``SKEL_CHANGED``, ``SKEL_SIZE`` (a video that does not show
            the whole colour picture), ``SKEL_FRAMES`` (the file is of another video); as
            `parse_ntu_skeleton`, `main_bodies` and `segment_slice`.
    """
    skeleton = _parsed(file, sha256)
    segment = segment_slice(file, skeleton.frames, start, stop)
    tracks = [to_body25(person.pixels, person.states) for person in _people(file, sha256, people)]
    return place_people(file, tracks, segment, COLOUR, info)


def summarise(file: Path, sha256: str, frames: int, start: int = 0, stop: int = 0) -> Summary:
    """The numbers for the ledger's remark on a clip of `frames` frames.

    Raises:
        ClipRejected: As `read_kinect`.
    """
    skeleton = _parsed(file, sha256)
    segment = segment_slice(file, skeleton.frames, start, stop)
    length = segment.stop - segment.start
    return len(skeleton.bodies), max(0, frames - length), max(0, length - frames)


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


@lru_cache(maxsize=1)
def _people(file: Path, sha256: str, people: int) -> tuple[Person, ...]:
    """Those who count, chosen once for all clips in the file."""
    return main_bodies(_parsed(file, sha256), file.name, people)


@lru_cache(maxsize=1)
def _parsed(file: Path, sha256: str) -> NtuSkeleton:
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
    return parse_ntu_skeleton(data, file.name)
