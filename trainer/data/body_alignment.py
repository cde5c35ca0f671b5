"""Rotation of a sensor's joints into a body's own frame, so that the camera's pose does not matter.

The frame is a function of the clip alone. Legend of shapes: T frames, M persons, V joints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.cache.layouts import Layout
from stroi.trainer.config import Align

_UP = np.array([0.0, 1.0, 0.0])


def body_rotation(
    position: NDArray[np.float32], present: NDArray[np.bool_], layout: Layout, align: Align
) -> NDArray[np.float64]:
    """The rotation from the sensor's frame to the body's.

    ``heading`` rotates about the vertical, until the vector from the left to the right shoulder
    and hip lies along x as seen from above. ``body`` first rotates the vector from the hips to
    the shoulders up. Both vectors are those of the first person who ever shows both shoulders and
    hips, in the first frame that does. Without one, or where a vector has no length, there is no
    rotation.

    Args:
        position: (T, M, V, 3) in m, y up.
        present: (T, M, V), which joints there are.
        layout: The V joints.
        align: ``none``, ``heading`` or ``body``.

    Returns:
        (3, 3) for column vectors.

    Raises:
        StroiError: ``ALIGN`` if the layout has no shoulders or hips.
    """
    if align == "none":
        return np.eye(3)
    joints = {
        side: [_index(layout, f"{side}_{part}", align) for part in ("shoulder", "hip")]
        for side in ("left", "right")
    }
    trunk = np.asarray(present[:, :, [*joints["left"], *joints["right"]]].all(2))  # (T, M)
    if not trunk.any():
        return np.eye(3)
    person = int(trunk.any(0).argmax())
    points = position[trunk[:, person].argmax(), person].astype(np.float64)  # (V, 3)
    across = points[joints["right"]].mean(0) - points[joints["left"]].mean(0)  # (3,)
    if align == "heading":
        return _about_vertical(across)
    up = np.mean([points[top] - points[bottom] for top, bottom in joints.values()], axis=0)  # (3,)
    upright = _upright(up)
    return _about_vertical(upright @ across) @ upright


def _index(layout: Layout, joint: str, align: Align) -> int:
    name = layout.stand_in(joint)
    if not name:
        raise StroiError(
            "ALIGN",
            f"gcn.align is {align}, and {layout.name} has no {joint}",
            remedy="set gcn.align to none, or name the joint in body25 of the layout",
        )
    return layout.index(name)


def _about_vertical(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation about y that makes z of (3,) `across` 0 and its x positive."""
    length = float(np.hypot(across[0], across[2]))
    if length == 0:
        return np.eye(3)
    c, s = across[0] / length, across[2] / length
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _upright(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest rotation of (3,) `up` to the vertical."""
    length = float(np.linalg.norm(up))
    if length == 0 or up[1] <= -length:
        return np.eye(3)
    axis = np.cross(up / length, _UP)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + up[1] / length))
