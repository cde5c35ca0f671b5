"""A person's joints in metres: a standing trunk, arms and legs by inverse kinematics.

A person's own axes: x to their left, y up, z to their front, origin on the floor below the hips.
With facing 0 the person faces +z, where the cameras stand, and x points to the right of
the picture. All functions work on all T frames of a clip at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stroi.stages.demo.randomisation import Body

Points = npt.NDArray[np.float64]
"""(T, 3) positions or directions, or (T,) numbers: one per frame."""

SIDES: dict[str, float] = {"right": -1.0, "left": 1.0}
"""Sign of a person's own side on the x axis."""

UPPER_ARM, FOREARM, HAND = 0.172, 0.150, 0.095
THIGH, SHIN, ANKLE, FOOT = 0.245, 0.246, 0.045, 0.150
NECK, HEAD, HEAD_RADII = 0.812, 0.118, (0.056, 0.072, 0.064)


@dataclass(frozen=True)
class Rig:
    """Trunk of a person over T frames, in the person's own axes.

    Attributes:
        body: The person's shape.
        pelvis: (T, 3) middle of the hips, metres.
        left: (T, 3) unit vectors to the trunk's left.
        up: (T, 3) unit vectors along the spine.
        front: (T, 3) unit vectors out of the chest.
    """

    body: Body
    pelvis: Points
    left: Points
    up: Points
    front: Points

    @property
    def neck(self) -> Points:
        """(T, 3) middle of the shoulders."""
        body = self.body
        hips = ((THIGH + SHIN) * body.leg * 0.985 + ANKLE) * body.height
        return self.pelvis + self.up * (NECK * body.height - hips)

    def shoulder(self, side: str) -> Points:
        """(T, 3) shoulder joint of ``right`` or ``left``."""
        return self.neck + self.left * (SIDES[side] * self.body.shoulder * self.body.height)

    def hip(self, side: str) -> Points:
        """(T, 3) hip joint of ``right`` or ``left``."""
        return self.pelvis + self.left * (SIDES[side] * self.body.hip * self.body.height)


@dataclass(frozen=True)
class Pose:
    """A whole person over T frames, in the axes of the scene once `placed`.

    Attributes:
        body: The person's shape.
        points: (T, 3) metres by name: BODY_25 names, and ``head``, ``right_hand``, ``left_hand``
            (finger tips).
        trunk: (T, 3, 3) rows left, up, front of the chest.
        face: (T, 3, 3) rows left, up, front of the head.
        open_hand: Whether the right hand shows its fingers.
    """

    body: Body
    points: dict[str, Points]
    trunk: Points
    face: Points
    open_hand: bool = False


def unit(vectors: Points) -> Points:
    """Vectors (..., 3) scaled to length 1."""
    scaled: Points = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled


def spread(frames: int, x: npt.ArrayLike, y: npt.ArrayLike, z: npt.ArrayLike) -> Points:
    """(T, 3) vectors from three numbers or (T,) arrays."""
    return np.stack([np.broadcast_to(np.asarray(v, float), (frames,)) for v in (x, y, z)], axis=1)


def stand(body: Body, shift: Points, lean: npt.ArrayLike, tilt: npt.ArrayLike) -> Rig:
    """Trunk of a standing person.

    Args:
        body: The person's shape.
        shift: (T, 3) displacement of the hips in metres.
        lean: Forward lean of the spine in radians, number or (T,).
        tilt: Lean to the person's left in radians, number or (T,).

    Returns:
        The trunk over T frames.
    """
    frames = len(shift)
    hips = ((THIGH + SHIN) * body.leg * 0.985 + ANKLE) * body.height
    up = unit(spread(frames, np.sin(tilt), np.cos(lean), np.sin(lean)))
    left = unit(np.cross(up, spread(frames, 0, 0, 1)))
    return Rig(body, shift + spread(frames, 0, hips, 0), left, up, np.cross(left, up))


def reach(
    start: Points, target: Points, lengths: tuple[float, float], pole: Points
) -> tuple[Points, Points]:
    """Two bones from `start` towards `target`, bent to the side of `pole`.

    Args:
        start: (T, 3) shoulder or hip.
        target: (T, 3) wrist or ankle to reach; if too far, the bones point at it, nearly straight.
        lengths: Length of the first and the second bone, metres.
        pole: (T, 3) direction to which the elbow or knee points.

    Returns:
        (T, 3) middle joint and (T, 3) end joint.
    """
    first, second = lengths
    away = target - start
    distance = np.clip(
        np.linalg.norm(away, axis=1, keepdims=True),
        abs(first - second) + 0.01,
        (first + second) * 0.998,
    )
    along = unit(away)
    aside = unit(pole - along * np.sum(pole * along, axis=1, keepdims=True))
    foot = (first**2 - second**2 + distance**2) / (2 * distance)
    middle = start + along * foot + aside * np.sqrt(np.maximum(first**2 - foot**2, 0.0))
    return middle, start + along * distance


def arm_lengths(body: Body) -> tuple[float, float]:
    """Upper arm and forearm in metres."""
    return UPPER_ARM * body.arm * body.height, FOREARM * body.arm * body.height


def leg_lengths(body: Body) -> tuple[float, float]:
    """Thigh and shin in metres."""
    return THIGH * body.leg * body.height, SHIN * body.leg * body.height


def legs(rig: Rig, lift: dict[str, Points], stance: float) -> dict[str, Points]:
    """Hips, knees, ankles, toes and heels.

    Args:
        rig: The trunk.
        lift: For ``right`` and ``left``, (T,) height of the ankle over its place on the floor,
            metres.
        stance: Half distance of the feet as a share of the height.

    Returns:
        (T, 3) points by BODY_25 name, without the mid hip.
    """
    body = rig.body
    points: dict[str, Points] = {}
    height, frames = body.height, len(rig.pelvis)
    for side, sign in SIDES.items():
        raised = np.asarray(lift[side], float)
        out = sign * (stance * height + 0.16 * raised)
        floor = spread(frames, out, ANKLE * height + raised, 0.10 * raised)
        pole = spread(frames, sign * 0.24, 0, 1)
        hip = rig.hip(side)
        knee, ankle = reach(hip, floor, leg_lengths(body), pole)
        droop = 0.2 * raised / (0.16 * height)
        toes = unit(spread(frames, sign * 0.35, -np.sin(droop), np.cos(droop)))
        sole = ankle - spread(frames, 0, 0.030 * height, 0)
        big = sole + toes * (0.72 * FOOT * height)
        small = big + spread(frames, sign * 0.030 * height, 0, -0.020 * height)
        points |= {
            f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle,
            f"{side}_heel": sole - toes * (0.28 * FOOT * height),
            f"{side}_big_toe": big, f"{side}_small_toe": small,
        }  # fmt: skip
    return points


def head(rig: Rig, nod: npt.ArrayLike, turn: npt.ArrayLike) -> tuple[dict[str, Points], Points]:
    """Head, face points and the head's axes.

    Args:
        rig: The trunk.
        nod: Radians by which the face is turned down, number or (T,).
        turn: Radians by which the face is turned to the person's left, number or (T,).

    Returns:
        (T, 3) points ``head``, ``nose``, eyes and ears; (T, 3, 3) rows left, up, front.
    """
    height, frames = rig.body.height, len(rig.pelvis)
    front = unit(spread(frames, np.sin(turn), -np.sin(nod), np.cos(turn) * np.cos(nod)))
    left = unit(np.cross(rig.up, front))
    up = np.cross(front, left)
    centre = rig.neck + (rig.up * HEAD + front * 0.012) * height
    wide, tall, deep = (radius * height for radius in HEAD_RADII)
    points = {
        "head": centre,
        "nose": centre - up * (0.12 * tall) + front * (1.05 * deep),
        "right_eye": centre + up * (0.12 * tall) - left * (0.36 * wide) + front * (0.90 * deep),
        "left_eye": centre + up * (0.12 * tall) + left * (0.36 * wide) + front * (0.90 * deep),
        "right_ear": centre - left * wide,
        "left_ear": centre + left * wide,
    }
    return points, np.stack([left, up, front], axis=1)  # 3 times (T, 3) -> (T, 3, 3)


def assemble(
    rig: Rig,
    arms: dict[str, tuple[Points, Points, Points]],
    legs_: dict[str, Points],
    face: tuple[dict[str, Points], Points],
    *,
    open_hand: bool = False,
) -> Pose:
    """Join trunk, arms (elbow, wrist, finger tips by side), legs and head to a `Pose`."""
    points = {"neck": rig.neck, "mid_hip": rig.pelvis, **legs_, **face[0]}
    for side, (elbow, wrist, tips) in arms.items():
        points |= {
            f"{side}_shoulder": rig.shoulder(side), f"{side}_elbow": elbow,
            f"{side}_wrist": wrist, f"{side}_hand": tips,
        }  # fmt: skip
    trunk = np.stack([rig.left, rig.up, rig.front], axis=1)  # 3 times (T, 3) -> (T, 3, 3)
    return Pose(rig.body, points, trunk, face[1], open_hand)


def turn_matrix(angle: float) -> Points:
    """(3, 3) matrix that turns row vectors by `angle` radians about the vertical, z towards x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def placed(pose: Pose, angle: float, offset: tuple[float, float, float]) -> Pose:
    """The same pose in the scene: turned by `angle` radians, then moved by `offset` metres."""
    turn = turn_matrix(angle)
    points = {name: value @ turn + np.array(offset) for name, value in pose.points.items()}
    return Pose(pose.body, points, pose.trunk @ turn, pose.face @ turn, pose.open_hand)
