"""A folder of OpenPose's JSON files, one per frame of a clip, in place of an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25, Layout
from stroi.stages.pose.agreement import check_agreement, frames_to_keep, measure_and_keep
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.estimator import Estimator, no_people
from stroi.stages.pose.layouts import BODY_25B, to_body25
from stroi.stages.pose.readers.openpose_files import (
    ClipFiles,
    check_frames,
    list_clip,
    read_file,
    refused,
)
from stroi.stages.pose.readers.openpose_json import MAX_PEOPLE, JsonModel, parse_openpose_json
from stroi.stages.video.frame_count import count_frames
from stroi.stages.video.frames import VideoInfo

ORDERS = {"BODY_25": BODY_25, "BODY_25B": BODY_25B}
"""Networks that both write 75 numbers; the file does not say which, but the bodies do."""

NEIGHBOURS = {
    "neck": ("left_shoulder", "right_shoulder"),
    "upper_neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "left_heel": ("left_ankle",),
    "right_heel": ("right_ankle",),
    "nose": ("left_eye", "right_eye"),
}
"""Joints that are near others, or near the middle of others, in any pose."""

CLOSER = 0.5
"""The other order is taken for the true one if its distances are less than this share."""

MARGIN = 0.05
"""Joints this share of the picture's longer side outside it were rounded or extrapolated."""

MAX_OUTSIDE = 0.05
"""Largest share of joints beyond the margin; more of them are of a picture of another size."""


def read_detections(
    folder: Path,
    video: Path,
    model: JsonModel = "BODY_25",
    start: int = 0,
    stop: int = 0,
    *,
    estimator: Estimator | None = None,
    compared: int = 0,
) -> Detections:
    """Everybody in every frame of a clip, by OpenPose's files instead of an estimator.

    The video's frames are counted, and decoded if the estimator compares some.

    Args:
        folder: The folder of the clip's whole video.
        video: The video.
        model: The network that OpenPose ran.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the end.
        estimator: The embedded estimator, if it is to compare frames.
        compared: Frames in which it looks for the files' people.

    Returns:
        The people, with remarks on what the files lack, how they are numbered and whether the
        estimator agrees.

    Raises:
        ClipRejected: As `read_folder`, ``POSE_OUTSIDE`` if joints lie outside the picture, as
            `check_agreement`, and if the video cannot be decoded.
    """
    files = list_clip(folder, start, stop)
    kept = frames_to_keep(max(files.by_frame, default=0) + 1, compared if estimator else 0)
    pictures: dict[int, NDArray[np.uint8]] = {}
    if kept:
        info, pictures = measure_and_keep(video, kept, start, stop)
    else:
        info = count_frames(video, start, stop)
    missing, surplus = check_frames(folder, files, info.frames, start, stop)
    people, outside = _inside(folder, _read(folder, files, info.frames, model), info)
    detections = Detections.of_frames(people, info)
    crowded = int(np.count_nonzero(detections.counts >= MAX_PEOPLE))
    counts = (
        (files.offset, "files numbered from"),
        (missing, "frames without a skeleton:"),
        (surplus, "skeletons beyond the last frame:"),
        (crowded, f"frames with {MAX_PEOPLE} people or more, the most confident of whom count:"),
        (outside, "joints outside the picture:"),
    )
    remarks = [f"{text} {number}" for number, text in counts if number]
    if estimator and compared:
        remarks.append(check_agreement(video.name, detections, pictures, estimator, compared))
    return detections.with_remarks(*remarks)


def read_folder(
    folder: Path, frames: int, model: JsonModel = "BODY_25", start: int = 0, stop: int = 0
) -> list[NDArray[np.float32]]:
    """Everybody in every frame of a clip, by OpenPose's files.

    Args:
        folder: The folder of the clip's whole video.
        frames: Frames that the clip decodes to, T.
        model: The network that OpenPose ran; the files do not name it.
        start: First frame of the clip in the video; the files number the video's frames.
        stop: Frame after its last; 0 if it lasts to the end.

    Returns:
        T arrays (P, 25, 3) float32 BODY_25, x, y in px and confidence; nobody in a frame without
        a file.

    Raises:
        ClipRejected: As `list_frames`, `check_frames` and `parse_openpose_json`;
            ``POSE_LAYOUT`` if the files are another network's.
    """
    files = list_clip(folder, start, stop)
    check_frames(folder, files, frames, start, stop)
    return _read(folder, files, frames, model)


def _read(
    folder: Path, files: ClipFiles, frames: int, model: JsonModel
) -> list[NDArray[np.float32]]:
    # 75 numbers are read in the file's order, so that it can be checked.
    unordered: JsonModel = "BODY_25" if model in ORDERS else model
    people = [
        # By the file's name alone: the ledger shall not name folders of this machine.
        parse_openpose_json(read_file(folder, file), file.name, model=unordered)
        if (file := files.by_frame.get(number))
        else no_people()
        for number in range(frames)
    ]
    if model in ORDERS:
        order = likely_order(np.concatenate([no_people(), *people]), model)
        if order != model:
            problem = f"the joints stand in the order of {order}, not of {model}"
            remedy = f"set skeletons.openpose_json.model to {order}"
            raise refused("POSE_LAYOUT", folder, problem, remedy)
        people = [to_body25(frame, ORDERS[model]) for frame in people]
    return [frame[(frame[..., 2] > 0).any(axis=1)] for frame in people]


def _inside(
    folder: Path, people: Sequence[NDArray[np.float32]], info: VideoInfo
) -> tuple[list[NDArray[np.float32]], int]:
    """The people without joints outside the picture, and how many joints those are.

    Raises:
        ClipRejected: ``POSE_OUTSIDE`` if they are too many for a few that were extrapolated.
    """
    width, height = info.width, info.height
    size, margin = np.array([width, height]), MARGIN * max(width, height)
    kept, outside, far = [], 0, 0
    for frame in people:
        # (P, 25, 3) -> (P, 25): px beyond the nearer edge, 0 inside
        beyond = np.maximum(-frame[..., :2], frame[..., :2] - size).max(axis=-1, initial=0)
        beyond[frame[..., 2] <= 0] = 0
        kept.append(np.where((beyond > 0)[..., None], np.float32(0), frame))
        outside += int(np.count_nonzero(beyond > 0))
        far += int(np.count_nonzero(beyond > margin))
    seen = [frame[frame[..., 2] > 0] for frame in people]
    joints = np.concatenate([np.zeros((0, 3), np.float32), *seen])
    if far > MAX_OUTSIDE * len(joints):
        x, y = joints[:, :2].max(axis=0)
        problem = (
            f"{far} of {len(joints)} joints lie outside the picture of {width} x {height} px:"
            f" they reach x = {x:.0f}, y = {y:.0f}"
        )
        remedy = "run OpenPose with --keypoint_scale 0 on the video that the table names"
        raise refused("POSE_OUTSIDE", folder, problem, remedy)
    return [frame[(frame[..., 2] > 0).any(axis=1)] for frame in kept], outside


def likely_order(people: NDArray[np.float32], order: str) -> str:
    """Which of `ORDERS` the joints are in, by the distances of joints that belong together.

    Args:
        people: (S, 25, 3) everybody in all frames of a clip, as the files have them: x, y in px
            and confidence, 0 where absent.
        order: The order that they are declared to be in.

    Returns:
        `order`, unless the other one fits clearly better.
    """
    other = next(name for name in ORDERS if name != order)
    declared, alternative = (_distances(people, ORDERS[name]) for name in (order, other))
    both = ~np.isnan(declared) & ~np.isnan(alternative)
    if not both.any():
        return order
    closer = np.median(alternative[both]) < CLOSER * np.median(declared[both])
    return other if closer else order


def _distances(people: NDArray[np.float32], layout: Layout) -> NDArray[np.float64]:
    """Mean distance (S,) of joints that belong together, in body sizes; NaN where none is seen."""
    seen = people[..., 2] > 0
    places = people[..., :2].astype(np.float64)
    size = _size(places, seen)
    total = np.zeros(len(people))
    count = np.zeros(len(people))
    for joint, others in NEIGHBOURS.items():
        if joint not in layout.joints:
            continue
        at, around = layout.index(joint), [layout.index(other) for other in others]
        known = seen[:, [at, *around]].all(axis=1) & (size > 0)
        # (S, 2) - mean of (S, others, 2) -> (S,)
        distance = np.linalg.norm(places[:, at] - places[:, around].mean(axis=1), axis=1)
        total[known] += distance[known] / size[known]
        count[known] += 1
    total[count == 0] = np.nan
    return total / np.maximum(count, 1)


def _size(places: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Longer side (S,) of the box around each body's joints, px; 0 where there is none."""
    low = np.where(seen[..., None], places, np.inf).min(axis=1)
    high = np.where(seen[..., None], places, -np.inf).max(axis=1)
    return np.where(seen.any(axis=1), (high - low).max(axis=1, initial=-np.inf), 0.0)
