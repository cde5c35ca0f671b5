"""BODY_25 or BODY_25B: both write 75 numbers, and the file does not say which. Bodies do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25, Layout
from stroi.stages.pose.layouts import BODY_25B

NEAR = {
    "neck": ("left_shoulder", "right_shoulder"),
    "upper_neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "left_heel": ("left_ankle",),
    "right_heel": ("right_ankle",),
    "nose": ("left_eye", "right_eye"),
}
"""Joints that stand near others, or near the middle of others, whatever a body does."""

ORDERS = {"BODY_25": BODY_25, "BODY_25B": BODY_25B}

CLEAR = 0.5
"""The other order is taken for the true one if its distances are this many times as long."""


def better_order(people: NDArray[np.float32], order: str) -> str:
    """Which of both orders the joints stand in, by where joints stand that belong together.

    Args:
        people: (S, 25, 3) everybody in all frames of a clip, as the files have them: x, y in px
            and confidence, 0 where absent.
        order: The order that they are said to be in, ``BODY_25`` or ``BODY_25B``.

    Returns:
        `order`, unless the other one fits clearly better.
    """
    other = next(name for name in ORDERS if name != order)
    fits = {name: _distances(people, layout) for name, layout in ORDERS.items()}
    both = ~np.isnan(fits[order]) & ~np.isnan(fits[other])
    if not both.any():
        return order
    closer = np.median(fits[other][both]) < CLEAR * np.median(fits[order][both])
    return other if closer else order


def _distances(people: NDArray[np.float32], layout: Layout) -> NDArray[np.float64]:
    """Mean distance (S,) of joints that belong together, in body sizes; NaN where none is seen."""
    seen = people[..., 2] > 0
    places = people[..., :2].astype(np.float64)
    size = _size(places, seen)
    total = np.zeros(len(people))
    count = np.zeros(len(people))
    for joint, others in NEAR.items():
        if joint not in layout.joints:
            continue
        at, around = layout.index(joint), [layout.index(other) for other in others]
        known = seen[:, [at, *around]].all(axis=1) & (size > 0)
        apart = np.linalg.norm(places[:, at] - places[:, around].mean(axis=1), axis=1)
        total[known] += apart[known] / size[known]
        count[known] += 1
    total[count == 0] = np.nan
    return total / np.maximum(count, 1)


def _size(places: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Longer side (S,) of the box around each body's joints, px; 0 where there is none."""
    low = np.where(seen[..., None], places, np.inf).min(axis=1)
    high = np.where(seen[..., None], places, -np.inf).max(axis=1)
    return np.where(seen.any(axis=1), (high - low).max(axis=1, initial=-np.inf), 0.0)
