"""Made-up frames in the dialects of OpenPose's ``--write_json``."""

from __future__ import annotations

import json
from collections.abc import Sequence

EMPTY = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")


def points(joints: int, seed: int = 1) -> list[float | int]:
    """Key points of one person; every fifth joint is missing, written as OpenPose writes it."""
    found: list[float | int] = []
    for joint in range(joints):
        place = [100.5 + 7 * joint + seed, 50.25 + 3 * joint, 0.5 + joint / 100]
        found += [0, 0, 0] if joint % 5 == 4 else place
    return found


def openpose_frame(
    people: Sequence[object], *, version: object = 1.3, key: str = "pose_keypoints_2d"
) -> bytes:
    """A frame's file; each of `people` is what stands under `key`."""
    persons = []
    for keypoints in people:
        person: dict[str, object] = {"person_id": [-1]} if version == 1.3 else {}
        person |= {key: keypoints} | {name: [] for name in EMPTY}
        persons.append(person)
    return json.dumps({"version": version, "people": persons}, separators=(",", ":")).encode()
