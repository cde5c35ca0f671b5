"""One frame's people as OpenPose's ``--write_json`` wrote them, read strictly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, RefusedInput
from stroi.cache.files.opening import read_regular
from stroi.cache.layouts import BODY_25, Layout
from stroi.cache.storage.strict_json import parse_json
from stroi.stages.pose.layouts import BODY_25B, COCO_18, to_body25

JsonModel = Literal["BODY_25", "BODY_25B", "COCO"]

LAYOUTS: dict[JsonModel, Layout] = {"BODY_25": BODY_25, "BODY_25B": BODY_25B, "COCO": COCO_18}
"""Joints by the name of OpenPose's model; BODY_25 and BODY_25B look the same in a file."""

MAX_BYTES = 2**20
"""Largest file that is read; a frame of 20 people with hands and face has a twentieth of it."""

MAX_PEOPLE = 20
"""Most people of a frame that are kept, the most confident ones."""

MAX_PIXEL = 1e5
"""Largest magnitude of a coordinate in px."""

MAX_CONFIDENCE = 2.0
"""OpenPose's confidences peak slightly above 1 at times."""

_VERSIONS = re.compile(r"1(\.[0-3])?")
_REMEDY = "write the frame again with OpenPose's --write_json, or leave the clip out"


def read_openpose_json(path: Path, *, model: JsonModel = "BODY_25") -> NDArray[np.float32]:
    """Read one frame's file.

    Returns:
        As `parse_openpose_json`.

    Raises:
        ClipRejected: ``POSE_OPEN`` if it cannot be read or is larger than 1 MiB; as
            `parse_openpose_json`.
    """
    try:
        data = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise _rejected("POSE_OPEN", f"{str(path)!a}: cannot be read ({error.strerror})") from error
    return parse_openpose_json(data, str(path), model=model)


def parse_openpose_json(
    data: bytes, where: str, *, model: JsonModel = "BODY_25"
) -> NDArray[np.float32]:
    """Parse one frame's file, of the format's versions 1.0 to 1.3.

    A person whose list of key points is empty is left out. Of a crowd the 20 people whose joints
    have the largest sum of confidences are kept, as by OpenPose's ``--number_people_max``. Hands,
    faces, 3-D points and ``person_id`` (OpenPose always writes -1) are ignored.

    Args:
        data: The whole file.
        where: The file, for messages.
        model: The model that OpenPose ran; the file does not name it.

    Returns:
        (P, 25, 3) float32, BODY_25 x and y in px of the video's frame and confidence of the P
        people in the order of the file; an absent joint is (0, 0, 0). P may be 0.

    Raises:
        ClipRejected: As `stroi.cache.storage.strict_json.parse_json`; ``POSE_FORMAT`` (not what
            OpenPose writes), ``POSE_VERSION``, ``POSE_LENGTH`` (another model's number of
            joints), ``POSE_VALUE`` (no number, or out of range) or ``POSE_SCALE`` (coordinates
            that are no pixels).
    """
    layout = LAYOUTS[model]
    persons = [
        _person(points, f"{where!a}: person {number}", layout, model)
        for number, points in enumerate(_people(data, where))
        if points != []
    ]
    people = np.array(persons, np.float32).reshape(-1, len(layout.joints), 3)  # -> (P, V, 3)
    seen = people[people[..., 2] > 0]
    if seen.size and np.abs(seen[:, :2]).max() <= 1:
        raise _rejected(
            "POSE_SCALE",
            f"{where!a}: all coordinates lie between -1 and 1, so they are no pixels",
            "run OpenPose with --keypoint_scale 0",
        )
    return to_body25(_most_confident(people), layout)


def _most_confident(people: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most `MAX_PEOPLE` of people (P, V, 3), in their order."""
    order = np.argsort(-people[..., 2].sum(axis=1), kind="stable")
    return people[np.sort(order[:MAX_PEOPLE])]


def _people(data: bytes, where: str) -> list[object]:
    """The key points of everybody, unchecked."""
    try:
        frame = parse_json(data, repr(where))
    except RefusedInput as error:
        raise _rejected(error.code, error.message) from error
    people = frame.get("people") if isinstance(frame, dict) else None
    if not isinstance(frame, dict) or not isinstance(people, list):
        raise _rejected("POSE_FORMAT", f"{where!a}: no object with a list of people")
    version = frame.get("version")
    if type(version) not in (int, float) or _VERSIONS.fullmatch(str(version)) is None:
        raise _rejected(
            "POSE_VERSION", f"{where!a}: version {_printable(version)}, want 1.0 to 1.3"
        )
    return [_points(person, f"{where!a}: person {i}") for i, person in enumerate(people)]


def _points(person: object, where: str) -> object:
    # Before version 1.2 the key had no suffix.
    keys = ("pose_keypoints_2d", "pose_keypoints")
    present = [key for key in keys if isinstance(person, dict) and key in person]
    if not isinstance(person, dict) or len(present) != 1:
        raise _rejected("POSE_FORMAT", f"{where} has no pose_keypoints_2d")
    return person[present[0]]


def _person(points: object, where: str, layout: Layout, model: str) -> NDArray[np.float64]:
    """(V, 3) of the layout's V joints."""
    length = 3 * len(layout.joints)
    if not isinstance(points, list):
        raise _rejected("POSE_FORMAT", f"{where}: the key points are no list")
    if len(points) != length:
        raise _rejected(
            "POSE_LENGTH",
            f"{where}: {len(points)}, want {length} ({model})",
            "name the model that OpenPose ran: BODY_25, BODY_25B or COCO",
        )
    for at, value in enumerate(points):
        # bool is an int to Python, and an int may be too long for a float.
        number = type(value) in (int, float)
        low, high = (0.0, MAX_CONFIDENCE) if at % 3 == 2 else (-MAX_PIXEL, MAX_PIXEL)
        if not (number and low <= value <= high):
            kind = ("x", "y", "confidence")[at % 3]
            problem = f"{where}, joint {at // 3}: {kind} {_printable(value)}"
            raise _rejected("POSE_VALUE", f"{problem}, want {low:g} to {high:g}")
    return np.array(points, np.float64).reshape(-1, 3)  # (3 * V,) -> (V, 3)


def _printable(value: object) -> str:
    return ascii(value)[:40]


def _rejected(code: str, message: str, remedy: str = _REMEDY) -> ClipRejected:
    return ClipRejected(code, message, remedy=remedy)
