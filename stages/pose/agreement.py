"""Whether people from files are those of the video: the embedded estimator checks a few frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import BODY_25
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.estimator import Estimator
from stroi.stages.video.frames import VideoInfo
from stroi.stages.video.reader import read_frames

_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = [
    BODY_25.index(name)
    for name in ("nose", *(f"{side}_{joint}" for joint in _LIMBS for side in ("left", "right")))
]
"""The V = 13 joints that are compared."""

MIRRORED = [0, *(joint for pair in range(1, len(JOINTS), 2) for joint in (pair + 1, pair))]
"""Their order with left and right exchanged: estimators confuse them in people seen from behind."""

MIN_SHARED = 6
"""Fewest joints by which two people are compared."""

MIN_CONFIDENCE = (0.05, 0.4)
"""Joints with less confidence, the files' and the estimator's, are not compared."""

SIZE_LIMIT, PIXEL_LIMIT = 0.035, 1.5
"""Largest mean distance of the joints of one person: a share of the body's longer side, and px of
the estimator's input. On real OpenPose output the median frame has 0.6 to 0.7 of it."""

OUTLIER = 4.0
"""A joint further away than so many limits counts as that far: one wrong wrist is no other body."""

CLEAR = 0.65
"""Where a frame's distance is larger, in limits, the clip is in doubt."""

DOUBTFUL = 3
"""Of a clip in doubt so many times as many frames are compared."""

SIDE = 1024
"""Longer side of the pictures that are kept, px; the estimator's input is not larger."""

SCALE_LIMIT = 1.12
"""Largest ratio of the sizes of one person as both have them."""


@dataclass(frozen=True)
class Match:
    """Of all pairs of a person of the files and one of the estimator's, the one most alike.

    Attributes:
        distance: Mean distance of their joints, in limits: up to 1 they may be one person.
        scale: Size of the files' person, the estimator's being 1.
        rescaled: The distance once the files' places are divided by `scale`.
    """

    distance: float
    scale: float
    rescaled: float

    def agrees(self, limit: float = 1.0) -> bool:
        """Whether the two are one person."""
        return self.distance <= limit and 1 / SCALE_LIMIT <= self.scale <= SCALE_LIMIT


def frames_to_keep(frames: int, compared: int) -> list[int]:
    """Frames of T of which pictures are kept, evenly spaced: enough for a clip in doubt."""
    count = min(frames, DOUBTFUL * compared)
    return [(2 * number + 1) * frames // (2 * count) for number in range(count)]


def measure_and_keep(
    video: Path, kept: Sequence[int], start: int = 0, stop: int = 0
) -> tuple[VideoInfo, dict[int, NDArray[np.uint8]]]:
    """Frames and size of a clip, by stepping through it, and some of its pictures.

    Args:
        video: The video.
        kept: Frames whose pictures are kept, at most `SIDE` px large; some may not exist.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Raises:
        ClipRejected: If it cannot be decoded.
    """
    pictures: dict[int, NDArray[np.uint8]] = {}
    with read_frames(video, start, stop) as frames:
        number = 0
        while frames.skip():
            if number == 0 or number in kept:
                picture = frames.picture()
            if number in kept:
                pictures[number] = _small(picture)
            number += 1
        return frames.info, pictures


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def check_agreement(
    name: str,
    detections: Detections,
    pictures: Mapping[int, NDArray[np.uint8]],
    estimator: Estimator,
    compared: int,
) -> str:
    """Compare people of files with those that an estimator finds in some frames of their video.

    Args:
        name: The video, for messages.
        detections: The people of the files.
        pictures: Frame number to picture, larger or smaller than the video's: `measure_and_keep`.
        estimator: The embedded estimator.
        compared: Frames to compare; if one of them leaves a doubt, all that there are.

    Returns:
        A remark for the ledger: in how many frames they agree, or that they cannot be compared.

    Raises:
        ClipRejected: ``POSE_SIZE`` if the files are of a picture of another size, ``POSE_VIDEO``
            if they are of another video.
    """
    people = detections.by_frame()
    known = [at for at in sorted(pictures) if _is_known(people[at])]
    few = [known[(2 * at + 1) * len(known) // (2 * compared)] for at in range(compared) if known]
    for frames in (sorted(set(few)), known):
        found = [_compare(people[at], pictures[at], detections, estimator) for at in frames]
        matches = [one for one in found if one is not None]
        if 2 * len(matches) < len(frames) or not frames:
            seen = f"{estimator.name} finds people in {len(matches)} of {len(frames)} frames"
            return f"not compared with the video: {seen}"
        if all(one.agrees(CLEAR) for one in matches):
            break
    if not _median(matches).agrees():
        raise _refused(name, matches)
    agreeing = sum(one.agrees() for one in matches)
    return f"{estimator.name} agrees in {agreeing} of {len(frames)} frames"


def _is_known(people: NDArray[np.float32]) -> bool:
    """Whether people (P, 25, 3) of the files have joints enough to be compared."""
    joints = (people[:, JOINTS, 2] > MIN_CONFIDENCE[0]).sum(axis=1)
    return bool((joints >= MIN_SHARED).any())


def _compare(
    people: NDArray[np.float32],
    picture: NDArray[np.uint8],
    detections: Detections,
    estimator: Estimator,
) -> Match | None:
    height, width = picture.shape[:2]
    scale = np.array([detections.width / width, detections.height / height, 1], np.float32)
    pixel = max(detections.width, detections.height) / estimator.info()["input_size"]
    return match(people, estimator(picture) * scale, pixel)


def _median(matches: Sequence[Match]) -> Match:
    values = np.median([(one.distance, one.scale, one.rescaled) for one in matches], axis=0)
    return Match(*map(float, values))


def match(people: NDArray[np.float32], found: NDArray[np.float32], pixel: float) -> Match | None:
    """The pair of people that is most alike.

    Args:
        people: (P, 25, 3) the files' people in one frame, px and confidence.
        found: (Q, 25, 3) the estimator's.
        pixel: Px of the frame in one px of the estimator's input.

    Returns:
        The match; None if no pair shares `MIN_SHARED` joints.
    """
    pairs = [
        pair
        for one in people[:, JOINTS]
        for other in found[:, JOINTS]
        for order in (list(range(len(JOINTS))), MIRRORED)
        if (pair := _match_two(one, other[order], pixel)) is not None
    ]
    return min(pairs, key=lambda pair: (not pair.agrees(), pair.distance), default=None)


def _match_two(one: NDArray[np.float32], other: NDArray[np.float32], pixel: float) -> Match | None:
    """Compare two people (V, 3)."""
    shared = (one[:, 2] > MIN_CONFIDENCE[0]) & (other[:, 2] > MIN_CONFIDENCE[1])
    if shared.sum() < MIN_SHARED:
        return None
    places, true = one[shared, :2].astype(np.float64), other[shared, :2].astype(np.float64)
    limit = SIZE_LIMIT * float(np.ptp(true, axis=0).max()) + PIXEL_LIMIT * pixel
    scale = float(np.median(pdist(places) / np.maximum(pdist(true), 1.0)))
    rescaled = _distance(places / max(scale, 1e-3), true, limit)
    return Match(_distance(places, true, limit), scale, rescaled)


def _distance(places: NDArray[np.float64], true: NDArray[np.float64], limit: float) -> float:
    apart = np.linalg.norm(places - true, axis=1) / limit
    return float(np.minimum(apart, OUTLIER).mean())


def _refused(name: str, matches: Sequence[Match]) -> ClipRejected:
    wrong = sum(not one.agrees() for one in matches)
    problem = (
        f"in {wrong} of {len(matches)} frames of {name!a} the people of the JSON files are"
        " not where the video shows people"
    )
    middle = _median(matches)
    if middle.rescaled <= 1:
        return ClipRejected(
            "POSE_SIZE",
            f"{problem}: the files are of a picture {middle.scale:.2f} times as large",
            remedy="run OpenPose with --keypoint_scale 0 on the video that the table names",
        )
    return ClipRejected(
        "POSE_VIDEO",
        f"{problem}: the files may be of another video",
        remedy="let the table's column skeleton name the folder of this video; where the estimator"
        " is wrong, set skeletons.openpose_json.compare_frames to 0",
    )
