"""Made-up people for tracker tests: BODY_25 poses that walk through a scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25

Pose = NDArray[np.float32]

STANDING = {
    "nose": (0, -70), "right_eye": (-3, -73), "left_eye": (3, -73),
    "right_ear": (-7, -71), "left_ear": (7, -71), "neck": (0, -55),
    "right_shoulder": (-18, -54), "right_elbow": (-23, -28), "right_wrist": (-24, -5),
    "left_shoulder": (18, -54), "left_elbow": (23, -28), "left_wrist": (24, -5),
    "mid_hip": (0, 0), "right_hip": (-10, 0), "right_knee": (-11, 35), "right_ankle": (-12, 70),
    "left_hip": (10, 0), "left_knee": (11, 35), "left_ankle": (12, 70),
}  # fmt: skip
"""Places of the joints around the hip, px; 144 px from nose to ankle, no foot points."""


def person(x: float, y: float = 200.0, *, size: float = 1.0, confidence: float = 0.6) -> Pose:
    """Someone standing with the hip at (x, y): (25, 3)."""
    pose = np.zeros((25, 3), np.float32)
    for name, (right, down) in STANDING.items():
        pose[BODY_25.index(name)] = (x + size * right, y + size * down, confidence)
    return pose


def walk(
    xs: NDArray[np.float64], *, seed: int, y: float = 200.0, size: float = 1.0, noise: float = 1.5
) -> Pose:
    """Someone whose hip passes through `xs`, the joints scattered by `noise` px: (T, 25, 3)."""
    rng = np.random.default_rng(seed)
    poses = np.stack([person(float(x), y, size=size) for x in xs])
    moved = poses[..., :2] + rng.normal(0, noise, (*poses.shape[:2], 2)).astype(np.float32)
    poses[..., :2] = np.where(poses[..., 2:] > 0, moved, 0)
    return poses


def detections(*people: Pose, gone: NDArray[np.bool_] | None = None) -> list[Pose]:
    """What a perfect estimator finds: per frame (P, 25, 3), without those `gone` (people, T)."""
    every = np.stack(people, axis=1)
    present = (every[..., 2] > 0).any(axis=2)
    if gone is not None:
        present &= ~gone.T
    return [poses[here] for poses, here in zip(every, present, strict=True)]


def owners(tracks: Pose, *people: Pose) -> list[set[int]]:
    """For each track which of the true people it shows."""
    found: list[set[int]] = []
    for one in tracks:
        shown = set()
        for time in np.flatnonzero((one[..., 2] > 0).any(axis=1)):
            same = [np.array_equal(one[time], poses[time]) for poses in people]
            shown.add(same.index(True))
        found.append(shown)
    return found
