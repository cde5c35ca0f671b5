"""A sensor's joints turned into a frame of their own, so that the camera's place does not matter.

The frame follows from the clip alone. Legend of shapes: T frames, M persons, V joints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import Layout
from stroi.trainer.config import Align

_UP = np.array([0.0, 1.0, 0.0])


def turn(
    position: NDArray[np.float32], seen: NDArray[np.bool_], layout: Layout, align: Align
) -> NDArray[np.float64]:
    """The rotation that puts a clip into its own frame.

    ``heading`` turns about the vertical, until the way from the left to the right shoulder and
    hip lies along x as seen from above. ``body`` first turns the way from the hips to the
    shoulders up. Both ways are those of the first person who ever shows both shoulders and hips,
    in the first frame that does; without one, or where a way has no length, nothing is turned.

    Args:
        position: (T, M, V, 3) in m, y up.
        seen: (T, M, V), which joints are there.
        layout: The V joints.
        align: ``none``, ``heading`` or ``body``.

    Returns:
        (3, 3) for column vectors.
    """
    joints = {
        side: [layout.index(f"{side}_{part}") for part in ("shoulder", "hip")]
        for side in ("left", "right")
    }
    trunk = [*joints["left"], *joints["right"]]
    whole = np.asarray(seen[:, :, trunk].all(2))
    if align == "none" or not whole.any():
        return np.eye(3)
    person = int(whole.any(0).argmax())
    points = position[whole[:, person].argmax(), person].astype(np.float64)
    across = points[joints["right"]].mean(0) - points[joints["left"]].mean(0)
    if align == "heading":
        return _about_vertical(across)
    spine = [(layout.index(f"{side}_hip"), layout.index(f"{side}_shoulder")) for side in joints]
    up = np.mean([points[top] - points[bottom] for bottom, top in spine], axis=0)
    upright = _upright(up)
    return _about_vertical(upright @ across) @ upright


def _about_vertical(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turns (3,) `across` about y until its z is 0 and its x positive."""
    length = float(np.hypot(across[0], across[2]))
    if length == 0:
        return np.eye(3)
    c, s = across[0] / length, across[2] / length
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _upright(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest turn of (3,) `up` to the vertical."""
    length = float(np.linalg.norm(up))
    if length == 0 or up[1] <= -length:
        return np.eye(3)
    axis = np.cross(up / length, _UP)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + up[1] / length))
