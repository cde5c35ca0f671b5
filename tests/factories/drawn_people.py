"""What OpenPose's networks would put out for people who are drawn: heat maps and limb fields.

With the flag ``body=2`` OpenPose takes these in place of its network's output, and finds peaks and
assembles people as always: so a build can be tested without weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, STRIDE = 656, 368, 8

_BODY_25 = [
    (0, -120), (0, -90), (-30, -90), (-40, -50), (-45, -10), (30, -90), (40, -50), (45, -10),
    (0, 0), (-18, 0), (-20, 50), (-20, 100), (18, 0), (20, 50), (20, 100), (-8, -128),
    (8, -128), (-16, -122), (16, -122), (30, 112), (36, 110), (14, 108), (-30, 112), (-36, 110),
    (-14, 108),
]  # fmt: skip
_IN_COCO = [*range(8), *range(9, 19)]
STANDING = {"BODY_25": np.array(_BODY_25, float), "COCO": np.array(_BODY_25, float)[_IN_COCO]}
"""A standing person, (V, 2) px around the middle of the hips."""


def network_output(
    people: Sequence[NDArray[np.float64]],
    joints: int,
    pairs: Sequence[int],
    places: Sequence[int],
) -> NDArray[np.float32]:
    """The network's output for people.

    Args:
        people: Their joints, (V, 2) px each; (0, 0) for absent ones.
        joints: V.
        pairs: Joints of the limbs, two after one another (``getPosePartPairs``).
        places: Channels of their fields, two after one another (``getPoseMapIndex``).

    Returns:
        (1, V + 1 + 2 * limbs, HEIGHT / 8, WIDTH / 8) float32.
    """
    high, wide = HEIGHT // STRIDE, WIDTH // STRIDE
    out = np.zeros((1, joints + 1 + len(pairs), high, wide), np.float32)
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    first = 0 if min(places) > joints else joints + 1
    for person in people:
        cells = person / STRIDE - 0.5 + 0.5 / STRIDE
        for joint in np.flatnonzero(person.any(axis=1)):
            squared = (x - cells[joint, 0]) ** 2 + (y - cells[joint, 1]) ** 2
            out[0, joint] = np.maximum(out[0, joint], np.exp(-squared / 2))
        for limb in range(0, len(pairs), 2):
            start, end = pairs[limb : limb + 2]
            if person[start].any() and person[end].any():
                channels = [first + place for place in places[limb : limb + 2]]
                _field(out[0], (x, y), cells[start], cells[end], channels)
    out[0, joints] = 1 - out[0, :joints].max(axis=0)
    return out


def _field(
    out: NDArray[np.float32],
    grid: tuple[NDArray[np.float32], NDArray[np.float32]],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    channels: Sequence[int],
) -> None:
    """Draw a limb's direction along it."""
    length = float(np.linalg.norm(end - start))
    if length < 1e-3:
        return
    towards = (end - start) / length
    off = grid[0] - start[0], grid[1] - start[1]
    along = off[0] * towards[0] + off[1] * towards[1]
    across = np.abs(off[0] * towards[1] - off[1] * towards[0])
    inside = (along > -1) & (along < length + 1) & (across < 1.2)
    for channel, part in zip(channels, towards, strict=True):
        out[channel][inside] = part
