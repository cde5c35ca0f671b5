"""A folder of OpenPose's JSON files, one per frame of a clip, in place of an estimator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import digest, sha256_bytes
from stroi.cache.files.opening import read_regular
from stroi.cache.layouts import BODY_25, Layout
from stroi.pipeline.index.table import tolerance
from stroi.stages.pose.detections import Detections, measure
from stroi.stages.pose.estimator import no_people
from stroi.stages.pose.layouts import BODY_25B, to_body25
from stroi.stages.pose.readers.openpose_json import MAX_BYTES, JsonModel, parse_openpose_json

_NAME = re.compile(r"(?:.*[._])?(\d{1,12})(?:_keypoints)?\.json", re.ASCII)
"""``<clip>_<12 digits>_keypoints.json`` as OpenPose names them, or a plain running number."""

_FOLDER_REMEDY = "let the table's column skeleton name the folder that --write_json filled"

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


def json_folder(raw: Path, name: str) -> Path:
    """The folder of a clip's JSON files in the data set at `raw`.

    Raises:
        ClipRejected: ``POSE_FOLDER`` if it is not inside `raw`, or behind a link, where DVC would
            not notice a change.
    """
    inside = Path(name)
    outside = inside.is_absolute() or ".." in inside.parts
    links = [
        part for part in (inside, *inside.parents) if part != Path() and (raw / part).is_symlink()
    ]
    if outside or links:
        problem = "is behind a link" if links else "is not inside the data set's folder"
        raise ClipRejected(
            "POSE_FOLDER", f"{str(inside)!a} {problem}", remedy="put the folder itself there"
        )
    return raw / inside


def list_frames(folder: Path) -> dict[int, Path]:
    """The files of a video by frame number, counted from 0.

    Raises:
        ClipRejected: ``POSE_FOLDER`` if there is no such folder or it holds no such file,
            ``POSE_FRAMES`` if two files are of one frame.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise _rejected("POSE_FOLDER", folder, problem, _FOLDER_REMEDY) from error
    frames: dict[int, Path] = {}
    for file in files:
        if (name := _NAME.fullmatch(file.name)) is None:
            continue
        number = int(name[1])
        if number in frames:
            problem = f"{frames[number].name!a} and {file.name!a} are both of frame {number}"
            raise _rejected("POSE_FRAMES", folder, problem, "keep the files of one clip per folder")
        frames[number] = file
    if not frames:
        problem = "holds no file <clip>_<frame>_keypoints.json"
        raise _rejected("POSE_FOLDER", folder, problem, _FOLDER_REMEDY)
    return frames


def folder_digest(folder: Path, start: int = 0, stop: int = 0) -> str:
    """Sha256 over the numbers and contents of a clip's files, hexadecimal.

    Args:
        folder: The video's folder.
        start: First frame of the clip in its video.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `list_frames`; ``POSE_OPEN`` if a file cannot be read.
    """
    files = sorted(_of_clip(folder, start, stop).items())
    return digest([[number, sha256_bytes(_content(folder, file))] for number, file in files])


def count_gaps(folder: Path, frames: int, start: int = 0, stop: int = 0) -> tuple[int, int]:
    """How many frames of a clip of T `frames` have no file, and how many files have no frame.

    Raises:
        ClipRejected: As `list_frames`.
    """
    return _gaps(_of_clip(folder, start, stop), frames)


def read_detections(
    folder: Path, video: Path, model: JsonModel = "BODY_25", start: int = 0, stop: int = 0
) -> Detections:
    """Everybody in every frame of a clip, by OpenPose's files instead of an estimator.

    The video is decoded, so that the files can be compared with the frames that are cropped.

    Args:
        folder: The folder of the clip's whole video.
        video: The video.
        model: The network that OpenPose ran.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `read_folder`, and if the video cannot be decoded.
    """
    info = measure(video, start, stop)
    return Detections.of_frames(read_folder(folder, info.frames, model, start, stop), info)


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
        ClipRejected: As `list_frames` and `parse_openpose_json`; ``POSE_FRAMES`` if the files are
            not those of T frames, within `tolerance`, ``POSE_LAYOUT`` if they are another
            network's.
    """
    files = _of_clip(folder, start, stop)
    missing, surplus = _gaps(files, frames)
    if max(missing, surplus) > tolerance(frames):
        raise _rejected(
            "POSE_FRAMES",
            folder,
            f"{len(files)} files for {frames} frames of video: {missing} frames lack one, "
            f"{surplus} files are beyond the end",
            "run OpenPose on this video, with its frames counted from 0",
        )
    # 75 numbers are read in the file's order, so that it can be checked.
    unordered: JsonModel = "BODY_25" if model in ORDERS else model
    people = [
        # By the file's name alone: the ledger shall not name folders of this machine.
        parse_openpose_json(_content(folder, file), file.name, model=unordered)
        if (file := files.get(number))
        else no_people()
        for number in range(frames)
    ]
    if model in ORDERS:
        order = likely_order(np.concatenate([no_people(), *people]), model)
        if order != model:
            problem = f"the joints stand in the order of {order}, not of {model}"
            remedy = f"set skeletons.openpose_json.model to {order}"
            raise _rejected("POSE_LAYOUT", folder, problem, remedy)
        people = [to_body25(frame, ORDERS[model]) for frame in people]
    return [frame[(frame[..., 2] > 0).any(axis=1)] for frame in people]


def _of_clip(folder: Path, start: int, stop: int) -> dict[int, Path]:
    """The files of a clip by frame number, counted from the clip's first frame."""
    return {
        number - start: file
        for number, file in list_frames(folder).items()
        if start <= number and (not stop or number < stop)
    }


def _gaps(files: Mapping[int, Path], frames: int) -> tuple[int, int]:
    """Frames of T without a file, and files beyond them."""
    missing = sum(number not in files for number in range(frames))
    return missing, sum(number >= frames for number in files)


def _content(folder: Path, file: Path) -> bytes:
    try:
        return read_regular(file, MAX_BYTES)
    except OSError as error:
        problem = f"{file.name!a} cannot be read ({error.strerror})"
        raise _rejected("POSE_OPEN", folder, problem, "write the folder again") from error


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


def _rejected(code: str, folder: Path, problem: str, remedy: str) -> ClipRejected:
    return ClipRejected(code, f"{folder.name!a}: {problem}", remedy=remedy)
