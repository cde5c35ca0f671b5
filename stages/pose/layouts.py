"""Other joint layouts to OpenPose's BODY_25, joint by joint name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25, COCO_17, MEANS, Layout

_FEET = (
    "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip


def _only_to_convert(name: str, joints: tuple[str, ...]) -> Layout:
    """A layout of files and networks, in which no skeleton is kept: it needs no bones."""
    return Layout(name=name, joints=joints, bones=(), centre="nose")


COCO_18 = _only_to_convert(
    "coco18",
    (
        "nose", "neck",
        "right_shoulder", "right_elbow", "right_wrist",
        "left_shoulder", "left_elbow", "left_wrist",
        "right_hip", "right_knee", "right_ankle",
        "left_hip", "left_knee", "left_ankle",
        "right_eye", "left_eye", "right_ear", "left_ear",
    ),
)  # fmt: skip
"""OpenPose's COCO model; its neck is the middle of the shoulders."""

BODY_25B = _only_to_convert("body25b", (*COCO_17.joints, "upper_neck", "head_top", *_FEET))
"""OpenPose's experimental model: as many joints as BODY_25, in another order."""

HALPE_26 = _only_to_convert(
    "halpe26",
    (
        *COCO_17.joints, "head_top", "upper_neck", "pelvis",
        "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
        "left_heel", "right_heel",
    ),
)  # fmt: skip
"""Body with feet, as RTMPose's 26-joint networks have it."""


def to_body25(joints: NDArray[np.float32], source: Layout) -> NDArray[np.float32]:
    """Rewrite people of a layout as BODY_25.

    A joint of the same name, or that stands for it, is copied. A missing neck or mid-hip becomes
    the mean of both shoulders or hips with the smaller of their confidences, absent if either is
    absent. What the source does not know (the six foot points of COCO) is absent.

    Args:
        joints: (P, V, 3) x, y in px and confidence, P people, V joints of `source`; confidence
            0 is absent.
        source: Layout of `joints`.

    Returns:
        (P, 25, 3) float32, an absent joint (0, 0, 0).

    Raises:
        ValueError: If `joints` does not have the joints of `source`.
    """
    if joints.ndim != 3 or joints.shape[1:] != (len(source.joints), 3):
        raise ValueError(f"{joints.shape} is not (P, {len(source.joints)}, 3) of {source.name}")
    people = np.zeros((len(joints), len(BODY_25.joints), 3), np.float32)
    for target, name in enumerate(BODY_25.joints):
        if stand_in := source.stand_in(name):
            people[:, target] = joints[:, source.index(stand_in)]
            continue
        parts = [source.stand_in(part) for part in MEANS.get(name, ())]
        if parts and all(parts):
            one, other = (joints[:, source.index(part)] for part in parts)
            people[:, target] = (one + other) / 2
            people[:, target, 2] = np.minimum(one[:, 2], other[:, 2])
    people[people[..., 2] <= 0] = 0
    return people
