"""What the people do: six motions, one per pair, none of which knows the label.

A motion turns (nuisance, phase) into poses and into the places of held objects. The
cyclic ones depend on the phase modulo one cycle; what depends on the frame number besides (the
slow sway) is the same for both members of a pair.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stroi.stages.demo.body import (
    NECK,
    SIDES,
    Points,
    Pose,
    assemble,
    head,
    legs,
    placed,
    spread,
    turn_matrix,
    unit,
)
from stroi.stages.demo.pose_parts import (
    Arm,
    HeldObject,
    angled,
    carried,
    centred,
    ease,
    grip,
    hanging,
    reaching,
    standing,
    trunk,
    upright,
    way,
)
from stroi.stages.demo.randomisation import Nuisance

Scene = tuple[tuple[Pose, ...], tuple[HeldObject, ...]]
Motion = Callable[[Nuisance, Points, Points], Scene]

OBJECT_RADIUS = 0.105
"""Half the size of every object for one hand, metres."""
WEIGHT_RADIUS = 0.125
"""Half the length of a dumbbell, metres."""
BOARD = (0.165, 0.120)
"""Half width and half height of every object for both hands, metres."""
APART = 0.56
"""Half the distance of two people, metres."""
TOWARDS = 0.27
"""Radians by which each of two people is turned towards the other."""


def sip(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """The right hand goes up to the cheek and down to the chest with something in it."""
    body = nuisance.bodies[0]
    height, frames = body.height, len(frame)
    rig = trunk(nuisance, frame, body)
    raised = ease(0.5 - 0.62 * nuisance.reach * np.cos(phase))
    low = spread(frames, -0.150 * height, (NECK - 0.185) * height, 0.130 * height)
    high = spread(frames, -0.118 * height, (NECK + 0.030) * height, 0.085 * height)
    target = low + (high - low) * raised[:, None]
    hand = spread(frames, 0.25, 1.0, 0.35)
    arm = reaching(rig, "right", target, spread(frames, -1.1, -1.0, -0.1), hand)
    face = head(rig, 0.05 - 0.06 * raised, -0.08 * raised)
    pose = assemble(rig, {"right": arm, "left": hanging(rig, "left")}, standing(rig), face)
    centre = grip(arm, spread(frames, 0.02, 0.01, 0.05))
    held_object = carried(nuisance, centre, *upright(-0.15 - 0.35 * raised, OBJECT_RADIUS), "right")
    return (centred(nuisance, pose),), (held_object,)


def browse(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """Both hands hold something flat before the chest, moving it a little."""
    body = nuisance.bodies[0]
    height, frames = body.height, len(frame)
    rig = trunk(nuisance, frame, body)
    swing = 0.022 * nuisance.reach * body.vigour * height * np.sin(phase)
    middle = spread(frames, 0, 0.700 * height + swing, 0.205 * height + 0.3 * swing)
    angle = 0.10 * np.sin(phase + 1.0)
    right, up = upright(angle, 1.0)
    up = unit(up + spread(frames, 0, 0, 0.35))
    arms = {}
    for side, sign in SIDES.items():
        wrist = middle + right * (sign * 0.62 * BOARD[0]) - up * (BOARD[1] + 0.045)
        hand = up + right * (sign * 0.15) + spread(frames, 0, 0, 0.25)
        pole = spread(frames, sign * 0.8, -1, -0.2)
        arms[side] = reaching(rig, side, wrist, pole, hand)
    face = head(rig, 0.24 + 0.05 * np.sin(phase), 0.06 * np.cos(phase))
    pose = assemble(rig, arms, standing(rig), face)
    held_object = carried(nuisance, middle, right * BOARD[0], up * BOARD[1], "right", "left")
    return (centred(nuisance, pose),), (held_object,)


def _handing(
    nuisance: Nuisance, frame: Points, person: int, shares: tuple[Points, Points]
) -> tuple[Pose, Points]:
    """One of two people and the palm of the hand that gives (person 0) or takes (person 1).

    `shares` (T,) are how far the hand is on its way to the hand-over and away from it.
    """
    body, frames, sign = nuisance.bodies[person], len(frame), (1.0, -1.0)[person]
    side, other = (("left", "right"), ("right", "left"))[person]
    height, angle = body.height, sign * TOWARDS + nuisance.facing
    offset = np.array([-sign * APART + nuisance.place[0], 0.0, nuisance.place[1]])
    near = ease(shares[0]) * (1 - ease(shares[1]))
    rig = trunk(nuisance, frame, body, 0.02 + 0.06 * near)
    meet = spread(frames, sign * (APART - 0.120), 1.12, 0.20) @ turn_matrix(angle).T
    hold = spread(frames, sign * 0.100 * height, 0.640 * height, 0.170 * height)
    rest = spread(frames, sign * 0.150 * height, 0.490 * height, 0.035 * height)
    stops = (hold, meet, rest) if person == 0 else (rest, meet, hold)
    wrist = way(stops, ease(shares[0]), ease(shares[1]))
    at_rest = (ease(shares[1]) if person == 0 else 1 - ease(shares[0]))[:, None]
    hand = spread(frames, sign * 0.55, 0.45, 0.60) * (1 - at_rest) + at_rest * [0.0, -1.0, 0.2]
    arm = reaching(rig, side, wrist, spread(frames, sign * 0.5, -1.0, -0.3), hand)
    face = head(rig, 0.10 + 0.05 * near, 0.25 * sign)
    pose = assemble(rig, {side: arm, other: hanging(rig, other)}, standing(rig), face)
    placed_ = placed(pose, angle, (float(offset[0]), 0.0, float(offset[2])))
    points = placed_.points
    return placed_, 0.35 * points[f"{side}_wrist"] + 0.65 * points[f"{side}_hand"]


def give(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """The left person hands something to the right person, once; `phase` is not used."""
    start, length = nuisance.timing
    share = (frame / len(frame) - start) / length
    giver, from_ = _handing(nuisance, frame, 0, (share / 0.40, (share - 0.60) / 0.35))
    taker, to = _handing(nuisance, frame, 1, ((share - 0.10) / 0.36, (share - 0.62) / 0.35))
    over = ease((share - 0.48) / 0.10)
    centre = from_ + (to - from_) * over[:, None] + [0.0, 0.03, 0.05]
    held_object = HeldObject(
        centre, *upright(0.2 - 0.4 * over, OBJECT_RADIUS), ((0, "left"), (1, "right"))
    )
    return (giver, taker), (held_object,)


def wave(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """The raised right forearm swings from side to side, the hand open."""
    body, frames = nuisance.bodies[0], len(frame)
    rig = trunk(nuisance, frame, body)
    swing = 0.60 * nuisance.reach * body.vigour * np.sin(phase)
    upper = spread(frames, -0.85, -0.30 + 0.10 * np.sin(phase), 0.25)
    fore = spread(frames, -np.sin(0.20 + swing), np.cos(0.20 + swing), 0.20)
    arms = {"right": angled(rig, "right", upper, fore), "left": hanging(rig, "left")}
    pose = assemble(rig, arms, standing(rig), head(rig, 0.0, 0.0), open_hand=True)
    return (centred(nuisance, pose),), ()


def lift(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """Both forearms curl a dumbbell up to the shoulder and let it down."""
    body, frames = nuisance.bodies[0], len(frame)
    rig = trunk(nuisance, frame, body)
    middle, half = 1.30, 0.85 * min(nuisance.reach * body.vigour, 1.1)
    bend = middle - half * np.cos(phase)
    arms: dict[str, Arm] = {}
    dumbbells = []
    for side, sign in SIDES.items():
        upper = spread(frames, sign * 0.28, -1.0, 0.05)
        fore = spread(frames, sign * 0.22, -np.cos(bend), np.sin(bend))
        arms[side] = angled(rig, side, upper, fore)
        right = spread(frames, 1.0, 0.0, -0.1 * sign) * WEIGHT_RADIUS
        up = unit(np.cross(unit(fore), right)) * WEIGHT_RADIUS
        palm = grip(arms[side], spread(frames, 0, 0, 0))
        dumbbells.append(carried(nuisance, palm, right, up, side))
    pose = assemble(rig, arms, standing(rig), head(rig, 0.02, 0.0))
    return (centred(nuisance, pose),), tuple(dumbbells)


def step(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """Marching on the spot: the knees go up in turn, the arms swing against them."""
    body, frames = nuisance.bodies[0], len(frame)
    rig = trunk(nuisance, frame, body)
    force = nuisance.reach * body.vigour
    raised, arms = {}, {}
    for side, sign in SIDES.items():
        wave_ = np.sin(phase) * sign
        raised[side] = 0.145 * body.height * force * ease(0.62 * wave_ + 0.38)
        forward = -0.45 * force * wave_
        upper = spread(frames, sign * 0.22, -1.0, forward)
        fore = spread(frames, -sign * 0.12, 0.15 + 1.1 * forward, 0.9)
        arms[side] = angled(rig, side, upper, fore)
    pose = assemble(rig, arms, legs(rig, raised, 0.058), head(rig, 0.0, 0.0))
    return (centred(nuisance, pose),), ()


MOTIONS: dict[str, Motion] = {
    "sip": sip, "browse": browse, "give": give, "wave": wave, "lift": lift, "step": step,
}  # fmt: skip
"""The motion of each pair."""
