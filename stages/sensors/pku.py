"""The joints of PKU-MMD: a line for every frame of a long video, two bodies of a Kinect v2 in it.

A line is 150 numbers, x, y and z in metres of 25 joints of a first body and then of a second; a
body that is not seen has zeros. There are no ids and no states of tracking.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.opening import read_regular
from stroi.cache.layouts import KINECT_V2
from stroi.cache.rois import PAPER_PEOPLE
from stroi.cache.skeletons3d import JointClip
from stroi.stages.sensors.bodies import main_bodies
from stroi.stages.sensors.ntu_skeleton import Body, NtuSkeleton
from stroi.stages.sensors.segment import segment_slice

MAX_BYTES = 2**27
"""Largest file that is read; the longest videos of PKU-MMD have a tenth of it."""

MAX_METRES = 100.0
"""Largest magnitude of a coordinate; a Kinect sees 8 m."""

FPS = 30.0

_BODIES = 2
_JOINTS = len(KINECT_V2.joints)
_NUMBERS = _BODIES * _JOINTS * 3
_LONGEST = 40 * _NUMBERS
_CHARACTERS = b"0123456789+-.eE \t\r"


def read_segment(
    path: Path, start: int = 0, stop: int = 0, people: int = PAPER_PEOPLE
) -> JointClip:
    """The one or two people of a clip; only its own lines are read as numbers.

    Args:
        path: The file of a whole video.
        start: First frame of the clip, counted from 0.
        stop: Frame after its last; 0 if it lasts to the file's end.
        people: P, most people kept.

    Raises:
        ClipRejected: ``SKEL_OPEN`` (cannot be read, or too large), ``SKEL_SEGMENT`` (as
            `segment_slice`), ``SKEL_LINE`` (not 150 numbers), ``SKEL_NONFINITE`` (beyond 100 m),
            ``SKEL_EMPTY`` (no joint of anybody).
    """
    try:
        lines = read_regular(path, MAX_BYTES).split(b"\n")
    except OSError as error:
        raise _rejected("SKEL_OPEN", path, str(error.strerror)) from None
    while lines and not lines[-1].strip():
        lines.pop()
    kept = segment_slice(path, len(lines), start, stop)
    numbers = np.array(
        [_numbers(path, at, lines[at]) for at in range(kept.start, kept.stop)], np.float64
    )
    # (T, 150) -> (T, 2, 25, 3)
    joints = numbers.reshape(-1, _BODIES, _JOINTS, 3).astype(np.float32)
    return _clip(joints, path.name, people)


def _numbers(path: Path, frame: int, line: bytes) -> list[float]:
    """The numbers of one line, finite and not too large."""
    try:
        if len(line) > _LONGEST or line.translate(None, _CHARACTERS):
            raise ValueError
        numbers = [float(word) for word in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != _NUMBERS:
        raise _rejected("SKEL_LINE", path, f"line {frame + 1} is not {_NUMBERS} numbers")
    if not all(-MAX_METRES <= number <= MAX_METRES for number in numbers):
        raise _rejected("SKEL_NONFINITE", path, f"line {frame + 1}: beyond {MAX_METRES:g} m")
    return numbers


def _clip(joints: NDArray[np.float32], name: str, people: int) -> JointClip:
    """Choose people as in NTU RGB+D's recordings of the same sensor; joints (T, 2, 25, 3)."""
    bodies = tuple(_body(number, joints[:, number]) for number in range(_BODIES))
    chosen = main_bodies(NtuSkeleton(len(joints), bodies), name, people)
    position = np.zeros((len(joints), people, _JOINTS, 3), np.float32)
    state = np.zeros(position.shape[:3], np.uint8)
    for number, person in enumerate(chosen):
        position[:, number], state[:, number] = person.joints, person.states
    return JointClip(position, state, len(chosen), KINECT_V2, FPS)


def _body(number: int, joints: NDArray[np.float32]) -> Body:
    """One of a line's bodies (T, 25, 3); its pixels are a pinhole camera's, up to scale."""
    depth = np.maximum(joints[..., 2:], np.float32(0.1))
    return Body(
        number + 1,
        np.arange(len(joints), dtype=np.int32),
        joints,
        (joints[..., :2] / depth).astype(np.float32),
        np.where(joints.any(axis=2), 2, 0).astype(np.uint8),
    )


def _rejected(code: str, path: Path, problem: str) -> ClipRejected:
    return ClipRejected(
        code, f"{path.name!a}: {problem}", remedy="unpack the skeletons again, or leave it out"
    )
