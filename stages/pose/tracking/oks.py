"""Object keypoint similarity (COCO) of poses, and their size and centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25

_SPREAD = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "neck": 0.079, "shoulder": 0.079,
    "elbow": 0.072, "wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089,
    "toe": 0.089, "heel": 0.089,
}  # fmt: skip

SIGMAS: NDArray[np.float64] = np.array([_SPREAD[name.split("_")[-1]] for name in BODY_25.joints])
"""(25,) spread of human annotators per joint, in units of the root of a person's area (COCO).

Neck and mid-hip take the shoulder's and the hip's, foot points the ankle's.
"""

MIN_SHARED = 3
"""Fewest joints in common for two poses to be compared."""


def areas(people: NDArray[np.float32]) -> NDArray[np.float64]:
    """Area of the box around each person's joints, at least 1.

    Args:
        people: (..., 25, 3) px; confidence 0 is absent.

    Returns:
        (...) float64 in px^2.
    """
    seen = people[..., 2] > 0
    area = np.ones(people.shape[:-2])
    for axis in (0, 1):
        places = people[..., axis].astype(np.float64)
        low = np.where(seen, places, np.inf).min(axis=-1)
        high = np.where(seen, places, -np.inf).max(axis=-1)
        area *= np.where(seen.any(axis=-1), high - low, 0.0)
    return np.maximum(area, 1.0)


def oks(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Object keypoint similarity of every pair of people.

    Mean over shared joints of exp(-d^2 / (2 a (2 sigma)^2)); d distance in px, a the larger of
    the two areas in px^2 (someone half hidden has not shrunk).

    Args:
        one: (A, 25, 3) px; confidence 0 is absent.
        other: (B, 25, 3) px.

    Returns:
        (A, B) float64 in 0..1; 0 where fewer than 3 joints are shared.
    """
    return pairwise_oks(one[:, None], other[None])  # (A, 1, 25, 3), (1, B, 25, 3) -> (A, B)


def pairwise_oks(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Object keypoint similarity as in `oks`, of people paired by broadcasting.

    Args:
        one: (..., 25, 3) px; confidence 0 is absent.
        other: (..., 25, 3) px.

    Returns:
        (...) float64 in 0..1; 0 where fewer than 3 joints are shared.
    """
    shared = (one[..., 2] > 0) & (other[..., 2] > 0)
    offset = one[..., :2].astype(np.float64) - other[..., :2]
    area = np.maximum(areas(one), areas(other))
    near = np.exp(-(offset**2).sum(axis=-1) / (2 * area[..., None] * (2 * SIGMAS) ** 2))
    count = shared.sum(axis=-1)
    mean = (near * shared).sum(axis=-1) / np.maximum(count, 1)
    return np.where(count >= MIN_SHARED, mean, 0.0)


def seen(tracks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether any joint of each pose (..., 25, 3) is present: (...) bool."""
    return np.asarray((tracks[..., 2] > 0).any(axis=-1))


def centres(poses: NDArray[np.float32]) -> NDArray[np.float64]:
    """Median place of the joints that are present.

    Args:
        poses: (F, 25, 3) px, some joint present in each.

    Returns:
        (F, 2) float64 px.
    """
    present = poses[..., 2] > 0
    places = np.sort(
        np.where(present[..., None], poses[..., :2], np.inf).astype(np.float64), axis=1
    )
    count, frames = present.sum(axis=1), np.arange(len(poses))
    return np.asarray((places[frames, (count - 1) // 2] + places[frames, count // 2]) / 2)


def size(track: NDArray[np.float32]) -> float:
    """Median root of a person's area in px over the frames (T, 25, 3) in which it is seen; or 0."""
    poses = track[seen(track)]
    return float(np.median(np.sqrt(areas(poses)))) if len(poses) else 0.0
