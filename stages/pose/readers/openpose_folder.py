"""A folder of OpenPose's JSON files, one per frame of a clip, in place of an estimator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import digest, sha256_bytes
from stroi.cache.files.opening import read_regular
from stroi.stages.pose.detections import Detections, measure
from stroi.stages.pose.estimator import nobody
from stroi.stages.pose.layouts import to_body25
from stroi.stages.pose.readers.joint_order import ORDERS, better_order
from stroi.stages.pose.readers.openpose_json import MAX_BYTES, JsonModel, parse_openpose_json

_NAME = re.compile(r"(?:.*[._])?(\d{1,12})(?:_keypoints)?\.json", re.ASCII)
"""``<clip>_<12 digits>_keypoints.json`` as OpenPose names them, or a plain running number."""

TOLERANCE = 0.05
"""Share of a clip's frames that may lack a file, or have one too many."""

ALWAYS = 3
"""Frames that may in any case: decoders differ about the last ones of a video."""


_FOLDER_REMEDY = "let the table's column skeleton name the folder that --write_json filled"


@dataclass(frozen=True)
class FolderFrames:
    """What a folder holds of a clip of T frames.

    Attributes:
        people: T arrays (P, 25, 3) float32 BODY_25, x, y in px and confidence.
        missing: Frames without a file; nobody is seen there.
        surplus: Files of frames that the video does not have; they are left out.
    """

    people: tuple[NDArray[np.float32], ...]
    missing: int
    surplus: int


def list_frames(folder: Path) -> dict[int, Path]:
    """The files of a clip by frame number, counted from 0.

    Raises:
        ClipRejected: ``POSE_FOLDER`` if there is no such folder or it holds no such file,
            ``POSE_FRAMES`` if two files are of one frame.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise _rejected(
            "POSE_FOLDER", folder, f"cannot be read ({error.strerror})", _FOLDER_REMEDY
        ) from error
    frames: dict[int, Path] = {}
    for file in files:
        name = _NAME.fullmatch(file.name)
        if name is None:
            continue
        number = int(name[1])
        if number in frames:
            raise _rejected(
                "POSE_FRAMES",
                folder,
                f"{frames[number].name!a} and {file.name!a} are both of frame {number}",
                "keep the files of one clip per folder",
            )
        frames[number] = file
    if not frames:
        raise _rejected(
            "POSE_FOLDER", folder, "holds no file <clip>_<frame>_keypoints.json", _FOLDER_REMEDY
        )
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
    found = []
    for number, file in sorted(_of_clip(folder, start, stop).items()):
        try:
            found.append([number, sha256_bytes(read_regular(file, MAX_BYTES))])
        except OSError as error:
            raise _unreadable(folder, file, error) from error
    return digest(found)


def read_folder(
    folder: Path,
    frames: int,
    *,
    model: JsonModel = "BODY_25",
    start: int = 0,
    stop: int = 0,
) -> FolderFrames:
    """Everybody in every frame of a clip, by OpenPose's files.

    Args:
        folder: The folder of the clip's whole video.
        frames: Frames that the clip decodes to, T.
        model: The network that OpenPose ran; the files do not tell it.
        start: First frame of the clip in the video; the files number the video's frames.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `list_frames` and `parse_openpose_json`; ``POSE_FRAMES`` if the files are
            not those of T frames, ``POSE_LAYOUT`` if they are another network's.
    """
    files = _of_clip(folder, start, stop)
    missing, surplus = _gaps(files, frames)
    _check_count(folder, len(files), frames, missing, surplus)
    # 75 numbers are read as they stand, so that their order can be judged.
    raw: JsonModel = "BODY_25" if model in ORDERS else model
    found = [
        _frame(folder, files[number], raw) if number in files else nobody()
        for number in range(frames)
    ]
    if model in ORDERS:
        _check_order(folder, np.concatenate([nobody(), *found]), model)
        found = [to_body25(people, ORDERS[model]) for people in found]
    return FolderFrames(tuple(_with_joints(people) for people in found), missing, surplus)


def gaps(folder: Path, frames: int, start: int = 0, stop: int = 0) -> tuple[int, int]:
    """How many frames of a clip of T `frames` have no file, and how many files have no frame.

    Raises:
        ClipRejected: As `list_frames`.
    """
    return _gaps(_of_clip(folder, start, stop), frames)


def detections_of(
    folder: Path, video: Path, *, model: JsonModel = "BODY_25", start: int = 0, stop: int = 0
) -> Detections:
    """Everybody in every frame of a clip, by OpenPose's files instead of an estimator.

    The video is decoded, so that the files can be held against the very frames that are cropped.

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
    people = read_folder(folder, info.frames, model=model, start=start, stop=stop).people
    return Detections(
        people=np.concatenate(people),
        counts=np.array([len(frame) for frame in people], np.int32),
        width=info.width,
        height=info.height,
        fps=info.fps,
    )


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


def _frame(folder: Path, file: Path, model: JsonModel) -> NDArray[np.float32]:
    try:
        data = read_regular(file, MAX_BYTES)
    except OSError as error:
        raise _unreadable(folder, file, error) from error
    # By its name alone: the ledger shall not say where on this machine it lies.
    return parse_openpose_json(data, file.name, model=model)


def _check_count(folder: Path, files: int, frames: int, missing: int, surplus: int) -> None:
    allowed = max(ALWAYS, TOLERANCE * frames)
    if missing > allowed or surplus > allowed:
        raise _rejected(
            "POSE_FRAMES",
            folder,
            f"{files} files for {frames} frames of video: {missing} frames lack one, "
            f"{surplus} files are beyond the end",
            "run OpenPose on this very video, with its frames counted from 0",
        )


def _check_order(folder: Path, people: NDArray[np.float32], model: str) -> None:
    seen = better_order(people, model)
    if seen != model:
        raise _rejected(
            "POSE_LAYOUT",
            folder,
            f"the joints stand in the order of {seen}, not of {model}",
            f"set skeletons.openpose_json.model to {seen}",
        )


def _with_joints(people: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = people[(people[..., 2] > 0).any(axis=1)]
    return found


def _unreadable(folder: Path, file: Path, error: OSError) -> ClipRejected:
    problem = f"{file.name!a} cannot be read ({error.strerror})"
    return _rejected("POSE_OPEN", folder, problem, "write the folder again")


def _rejected(code: str, folder: Path, problem: str, remedy: str) -> ClipRejected:
    return ClipRejected(code, f"{folder.name!a}: {problem}", remedy=remedy)
