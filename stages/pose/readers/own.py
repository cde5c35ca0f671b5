"""People as a user's own 3D skeletons place them in the picture: no estimator is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.rois import PAPER_PEOPLE
from stroi.pipeline.params.own_skeletons import OwnSkeletonParams
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.layouts import to_body25
from stroi.stages.pose.readers.sensor_places import place_people
from stroi.stages.sensors.own import read_own
from stroi.stages.sensors.segment import segment_slice
from stroi.stages.video.frames import VideoInfo


def read_own_people(
    file: Path,
    own: OwnSkeletonParams,
    camera: str,
    info: VideoInfo,
    start: int = 0,
    stop: int = 0,
    *,
    people: int = PAPER_PEOPLE,
) -> Detections:
    """The clip's people in every frame of its video.

    Args:
        file: The skeletons, of as many frames as the whole video.
        own: Joints, unit and cameras.
        camera: The index's name of the clip's camera.
        info: The clip's frames.
        start: First frame of the clip in the file and in the video.
        stop: Frame after its last; 0 if it lasts to the end.
        people: Most people that the file may have.

    Returns:
        As `place_people`, with confidence 1; from left to right over the whole file.

    Raises:
        ClipRejected: ``SKEL_CAMERA`` if nothing says where the joints are in the picture; as
            `read_own`, `segment_slice` and `place_people`.
    """
    tracks, size, frames = own_tracks(file, own, camera, people)
    segment = segment_slice(file, frames, start, stop)
    found = place_people(file, tracks, segment, size or (info.width, info.height), info)
    missing = info.frames - (segment.stop - segment.start)
    return found.with_remarks(f"frames without a skeleton: {missing}" if missing > 0 else "")


def own_tracks(
    file: Path, own: OwnSkeletonParams, camera: str, people: int = PAPER_PEOPLE
) -> tuple[list[NDArray[np.float32]], tuple[int, int] | None, int]:
    """People of a file as (F, 25, 3) BODY_25 px and confidence, the picture's size, and F.

    Raises:
        ClipRejected: ``SKEL_CAMERA``; as `read_own`.
    """
    whole = read_own(file, own, camera, people)
    if whole.pixels is None:
        known = ", ".join(own.cameras) or "none"
        raise ClipRejected(
            "SKEL_CAMERA",
            f"{file.name!a} has no pixels, and skeletons.own.cameras has no camera"
            f" {camera!a:.40} (it has: {known})",
            remedy="add the camera, or pixels to the file, or let skeletons.source be an estimator",
        )
    confidence = whole.pixels.any(axis=3, keepdims=True).astype(np.float32)
    joints = np.concatenate([whole.pixels, confidence], axis=3)  # (F, P, V, 3)
    tracks = [to_body25(person, own.joints) for person in joints.swapaxes(0, 1)]
    return tracks, whole.size, len(joints)
