"""Made-up people as a Kinect v2 sees them, and the texts that NTU RGB+D would hold of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Joints = NDArray[np.float64]

STANDING: Joints = np.array(
    [
        (0.0, 0.0), (0.0, 0.3), (0.0, 0.6), (0.0, 0.75),
        (-0.2, 0.5), (-0.25, 0.2), (-0.25, 0.0), (-0.25, -0.05),
        (0.2, 0.5), (0.25, 0.2), (0.25, 0.0), (0.25, -0.05),
        (-0.1, 0.0), (-0.1, -0.4), (-0.1, -0.8), (-0.1, -0.85),
        (0.1, 0.0), (0.1, -0.4), (0.1, -0.8), (0.1, -0.85),
        (0.0, 0.5), (-0.25, -0.1), (-0.22, -0.05), (0.25, -0.1), (0.22, -0.05),
    ]
)  # fmt: skip
"""(25, 2) x and y, in m, of somebody who faces the sensor, in Kinect v2 order."""


def person(
    frames: int, *, at: float, sway: float = 0.01, wave: float = 0.3, seed: int = 0
) -> Joints:
    """Somebody 3 m away who waves the right arm: (T, 25, 3) m.

    Args:
        frames: T.
        at: Where, x in m.
        sway: Standard deviation of every joint about its place, m.
        wave: How far the right hand goes up and down, m.
        seed: Of the swaying.
    """
    joints = np.zeros((frames, 25, 3))
    joints[..., :2] = STANDING
    joints[:, (10, 11, 23, 24), 1] += wave * np.sin(np.arange(frames) / 3)[:, None]
    joints += np.random.default_rng(seed).normal(0, sway, joints.shape)
    return joints + np.array([at, 0, 3])


def furniture(frames: int, *, at: float, seed: int = 0) -> Joints:
    """A couch that the sensor takes for somebody, all over the place: (T, 25, 3) m."""
    random = np.random.default_rng(seed)
    joints = random.uniform((-1, -0.2, -0.5), (1, 0.2, 0.5), (frames, 25, 3))
    return joints + np.array([at, -0.5, 3])


def colour(joints: Joints) -> Joints:
    """Where joints (..., 3) m are in the colour picture: (..., 2) px of 1920 x 1080."""
    return np.stack(
        (
            960 + 1060 * joints[..., 0] / joints[..., 2],
            540 - 1060 * joints[..., 1] / joints[..., 2],
        ),
        axis=-1,
    )


def skeleton_lines(
    frames: int, bodies: Mapping[int, tuple[Iterable[int], Joints]], state: Any = 2
) -> list[str]:
    """Lines of a file.

    Args:
        frames: T.
        bodies: By id, the F frames that show a body and its joints, (F, 25, 3) m.
        state: Of the joints: a number, or an array that fits to (T, 25).
    """
    states = np.broadcast_to(state, (frames, 25))
    shown: list[list[list[str]]] = [[] for _ in range(frames)]
    for name, (where, joints) in bodies.items():
        for frame, pose in zip(where, joints, strict=True):
            shown[frame].append(_body(name, pose, states[frame]))
    lines = [str(frames)]
    for found in shown:
        lines += [str(len(found)), *(line for body in found for line in body)]
    return lines


def skeleton_text(*arguments: Any, **options: Any) -> bytes:
    """A whole file; arguments as of `skeleton_lines`."""
    return "".join(f"{line}\r\n" for line in skeleton_lines(*arguments, **options)).encode()


def _body(name: int, pose: Joints, states: Sequence[int]) -> list[str]:
    lines = [f"{name} 0 1 1 1 1 0 0.1 -0.05 2", "25"]
    for joint, pixel, state in zip(pose, colour(pose), states, strict=True):
        numbers = (*joint, 250.5, 200.5, *pixel, 0, 0, 0, 0)
        lines.append(f"{' '.join(f'{number:.7g}' for number in numbers)} {state}")
    return lines
