"""The joints of Northwestern-UCLA: one JSON file per sample, one person seen by a Kinect v1.

The layout is that of the release which comes with CTR-GCN: an object of exactly ``file_name`` (the
sample), ``skeletons`` (frames x 20 joints x 3 metres) and ``label`` (1 to 10).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, RefusedInput
from stroi.cache.files.opening import read_regular
from stroi.cache.layouts import KINECT_V1
from stroi.cache.skeletons3d import JointClip
from stroi.cache.storage.strict_json import parse_json
from stroi.pipeline.datasets.nucla import CLASSES, MAX_SKELETON_BYTES

MAX_METRES = 100.0
"""Largest magnitude of a coordinate; a Kinect sees 8 m, and a file in mm has thousands."""

_KEYS = {"file_name", "skeletons", "label"}
_JOINTS = len(KINECT_V1.joints)
_REMEDY = "unpack the sample again, or leave it out"


def read_joints(path: Path) -> JointClip:
    """The person of one sample; a joint at (0, 0, 0) is absent.

    The label in the file is compared with the sample's name and has no other use.

    Returns:
        Positions (T, 2, 20, 3) in m, T >= 1; frames per second are not known.

    Raises:
        ClipRejected: ``SKEL_OPEN`` (cannot be read, or too large), ``SKEL_JSON`` (no strict JSON,
            NaN among it), ``SKEL_FORMAT`` (other keys or types), ``SKEL_NAME`` and ``SKEL_LABEL``
            (it claims to be another sample, or one of another class), ``SKEL_COUNT`` (not 20 joints
            of 3 numbers), ``SKEL_NONFINITE`` (beyond 100 m) or ``SKEL_EMPTY`` (no frame, or no
            joint in any).
    """
    frames = _frames(path)
    joints = np.array(frames, np.float64)
    if joints.size and np.abs(joints).max() > MAX_METRES:
        frame = int(np.argmax(np.abs(joints).max((1, 2)) > MAX_METRES))
        raise _rejected("SKEL_NONFINITE", path, f"frame {frame}: beyond {MAX_METRES:g} m")
    if not joints.any():
        raise _rejected("SKEL_EMPTY", path, f"not one joint in {len(joints)} frames")
    return _clip(joints.astype(np.float32))


def _clip(joints: NDArray[np.float32]) -> JointClip:
    position = np.zeros((len(joints), 2, _JOINTS, 3), np.float32)
    position[:, 0] = joints
    state = np.where(position.any(axis=3), 2, 0).astype(np.uint8)
    return JointClip(position, state, 1, KINECT_V1, 0.0)


def _frames(path: Path) -> list[list[list[float]]]:
    """The numbers of a file, after checking all else in it."""
    content = _content(path)
    if not isinstance(content, dict) or set(content) != _KEYS:
        raise _rejected("SKEL_FORMAT", path, f"no object of {', '.join(sorted(_KEYS))} alone")
    if content["file_name"] != path.stem:
        raise _rejected("SKEL_NAME", path, f"claims to be {_printable(content['file_name'])}")
    expected = _label(path.stem)
    if type(content["label"]) is not int or content["label"] != expected:
        label = _printable(content["label"])
        raise _rejected("SKEL_LABEL", path, f"has label {label}, a sample of this name {expected}")
    frames = content["skeletons"]
    if not isinstance(frames, list):
        raise _rejected("SKEL_FORMAT", path, "skeletons is no list")
    for number, frame in enumerate(frames):
        _check_frame(path, number, frame)
    return frames


def _content(path: Path) -> object:
    try:
        return parse_json(read_regular(path, MAX_SKELETON_BYTES), ascii(path.name))
    except OSError as error:
        raise _rejected("SKEL_OPEN", path, f"cannot be read ({error.strerror})") from error
    except RefusedInput as error:
        raise ClipRejected("SKEL_JSON", error.message, remedy=_REMEDY) from error


def _label(name: str) -> int:
    """Label that a sample of this name has in its file, from 1; 0 for no sample's name."""
    return next((n for n, code in enumerate(CLASSES, 1) if name.startswith(f"{code}_")), 0)


def _check_frame(path: Path, number: int, frame: object) -> None:
    if not isinstance(frame, list) or len(frame) != _JOINTS:
        content = f"{len(frame)} joints" if isinstance(frame, list) else "no list"
        problem = f"frame {number} has {content}, want {_JOINTS} joints"
        raise _rejected("SKEL_COUNT", path, problem)
    for joint in frame:
        if not isinstance(joint, list) or len(joint) != 3:
            raise _rejected("SKEL_COUNT", path, f"frame {number}: a joint of no 3 numbers")
        if any(type(value) not in (int, float) for value in joint):
            raise _rejected(
                "SKEL_FORMAT", path, f"frame {number}: {_printable(joint)} are no numbers"
            )


def _printable(value: object) -> str:
    return ascii(value)[:80]


def _rejected(code: str, path: Path, problem: str) -> ClipRejected:
    return ClipRejected(code, f"{path.name!a}: {problem}", remedy=_REMEDY)
