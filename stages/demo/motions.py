"""What the people do: six motions, one per pair, none of which knows the label.

A motion turns (nuisance, phase) into poses and into the places where something is held. The
cyclic ones depend on the phase modulo one cycle; what depends on the frame number besides (the
slow sway) is the same for both members of a pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stroi.stages.demo.body import (
    HAND,
    NECK,
    SIDES,
    Points,
    Pose,
    Rig,
    arm_lengths,
    assemble,
    head,
    legs,
    placed,
    reach,
    spread,
    stand,
    turn_matrix,
    unit,
)
from stroi.stages.demo.nuisance import TICKS, Body, Nuisance

Arm = tuple[Points, Points, Points]
"""Elbow, wrist and finger tips, (T, 3) each."""


@dataclass(frozen=True)
class Held:
    """Where an object is: a flat picture in space, the same for all objects of a pair.

    Attributes:
        centre: (T, 3) metres.
        right: (T, 3) from the centre to the picture's right edge, metres.
        up: (T, 3) from the centre to the picture's upper edge, metres.
        hands: Who holds it with what, as (person, side): drawn as fingers over the object.
    """

    centre: Points
    right: Points
    up: Points
    hands: tuple[tuple[int, str], ...]


Scene = tuple[tuple[Pose, ...], tuple[Held, ...]]
Motion = Callable[[Nuisance, Points, Points], Scene]

STANCE = 0.072
OBJECT_RADIUS = 0.105
"""Half the size of everything held in one hand, metres."""
WEIGHT_RADIUS = 0.125
"""Half the length of a dumbbell, metres."""
BOARD = (0.165, 0.120)
"""Half width and half height of everything held in both hands, metres."""
APART = 0.56
"""Half the distance of two people, metres."""
TOWARDS = 0.27
"""Radians by which each of two people is turned towards the other."""


def phases(nuisance: Nuisance, *, fast: bool) -> Points:
    """Phase of the motion at every frame, in radians, 0 to 2 pi.

    Counted in whole ticks, so that the slow and the fast twin coincide to the bit at the frames
    s, 2s, ... with s = T // 6.

    Args:
        nuisance: Gives frame count, tempo and start.
        fast: Whether one more whole cycle passes every s frames.

    Returns:
        (T,) phases.
    """
    step = nuisance.frames // 6
    ticks = nuisance.tempo + (TICKS if fast else 0)
    frames = np.arange(nuisance.frames, dtype=np.int64)
    turned = (nuisance.phase * step + ticks * frames) % (TICKS * step)
    angles: Points = turned * (2 * np.pi / (TICKS * step))
    return angles


def ease(share: Points) -> Points:
    """Smooth step from 0 at 0 to 1 at 1."""
    clipped = np.clip(share, 0.0, 1.0).astype(np.float64)
    return clipped * clipped * (3 - 2 * clipped)


def _rig(nuisance: Nuisance, frame: Points, body: Body, lean: Points | float = 0.02) -> Rig:
    """A standing trunk with this clip's slow sway."""
    a, b, rate_a, rate_b = nuisance.sway
    aside = np.sin(2 * np.pi * (a + rate_a * frame))
    ahead = np.sin(2 * np.pi * (b + rate_b * frame))
    return stand(body, spread(len(frame), 0.014 * aside, 0, 0.010 * ahead), lean, 0.018 * aside)


def _hang(rig: Rig, side: str) -> Arm:
    """An arm that hangs at the person's side."""
    frames, sign = len(rig.pelvis), SIDES[side]
    return _angled(
        rig, side, spread(frames, sign * 0.30, -1, 0.02), spread(frames, sign * 0.14, -1, 0.22)
    )


def _angled(rig: Rig, side: str, upper: Points, fore: Points) -> Arm:
    """An arm given by the directions of its two bones; the hand goes on straight."""
    first, second = arm_lengths(rig.body)
    elbow = rig.shoulder(side) + unit(upper) * first
    wrist = elbow + unit(fore) * second
    return elbow, wrist, wrist + unit(fore) * (HAND * rig.body.height)


def _reaching(rig: Rig, side: str, target: Points, pole: Points, hand: Points) -> Arm:
    """An arm whose wrist goes to `target`, elbow towards `pole`, hand along `hand`."""
    elbow, wrist = reach(rig.shoulder(side), target, arm_lengths(rig.body), pole)
    return elbow, wrist, wrist + unit(hand) * (HAND * rig.body.height)


def _grip(arm: Arm, away: Points) -> Points:
    """(T, 3) centre of an object in the hand: on the palm, `away` metres off it."""
    return arm[1] + 0.72 * (arm[2] - arm[1]) + away


def _still(rig: Rig) -> dict[str, Points]:
    """Legs of a person who stands still."""
    rest = np.zeros(len(rig.pelvis))
    return legs(rig, {"right": rest, "left": rest}, STANCE)


def _solo(nuisance: Nuisance, pose: Pose) -> Pose:
    """One person in the middle of the scene."""
    return placed(pose, nuisance.facing, (nuisance.place[0], 0.0, nuisance.place[1]))


def _carried(nuisance: Nuisance, centre: Points, right: Points, up: Points, *sides: str) -> Held:
    """An object of the single person, moved to the scene with them."""
    turn = turn_matrix(nuisance.facing)
    offset = np.array([nuisance.place[0], 0.0, nuisance.place[1]])
    return Held(centre @ turn + offset, right @ turn, up @ turn, tuple((0, s) for s in sides))


def _flat(angle: Points, radius: float) -> tuple[Points, Points]:
    """Right and up edge of an upright picture turned by `angle` (T,) radians."""
    frames = len(angle)
    right = spread(frames, np.cos(angle), np.sin(angle), 0) * radius
    return right, spread(frames, -np.sin(angle), np.cos(angle), 0) * radius


def sip(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """The right hand goes up to the cheek and down to the chest with something in it."""
    body = nuisance.bodies[0]
    height, frames = body.height, len(frame)
    rig = _rig(nuisance, frame, body)
    raised = ease(0.5 - 0.62 * nuisance.reach * np.cos(phase))
    low = spread(frames, -0.150 * height, (NECK - 0.185) * height, 0.130 * height)
    high = spread(frames, -0.118 * height, (NECK + 0.030) * height, 0.085 * height)
    target = low + (high - low) * raised[:, None]
    hand = spread(frames, 0.25, 1.0, 0.35)
    arm = _reaching(rig, "right", target, spread(frames, -1.1, -1.0, -0.1), hand)
    face = head(rig, 0.05 - 0.06 * raised, -0.08 * raised)
    pose = assemble(rig, {"right": arm, "left": _hang(rig, "left")}, _still(rig), face)
    centre = _grip(arm, spread(frames, 0.02, 0.01, 0.05))
    held = _carried(nuisance, centre, *_flat(-0.15 - 0.35 * raised, OBJECT_RADIUS), "right")
    return (_solo(nuisance, pose),), (held,)


def browse(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """Both hands hold something flat before the chest, moving it a little."""
    body = nuisance.bodies[0]
    height, frames = body.height, len(frame)
    rig = _rig(nuisance, frame, body)
    swing = 0.022 * nuisance.reach * body.vigour * height * np.sin(phase)
    middle = spread(frames, 0, 0.700 * height + swing, 0.205 * height + 0.3 * swing)
    angle = 0.10 * np.sin(phase + 1.0)
    right, up = _flat(angle, 1.0)
    up = unit(up + spread(frames, 0, 0, 0.35))
    arms = {}
    for side, sign in SIDES.items():
        wrist = middle + right * (sign * 0.62 * BOARD[0]) - up * (BOARD[1] + 0.045)
        hand = up + right * (sign * 0.15) + spread(frames, 0, 0, 0.25)
        pole = spread(frames, sign * 0.8, -1, -0.2)
        arms[side] = _reaching(rig, side, wrist, pole, hand)
    face = head(rig, 0.24 + 0.05 * np.sin(phase), 0.06 * np.cos(phase))
    pose = assemble(rig, arms, _still(rig), face)
    held = _carried(nuisance, middle, right * BOARD[0], up * BOARD[1], "right", "left")
    return (_solo(nuisance, pose),), (held,)


def _path(stops: tuple[Points, Points, Points], first: Points, second: Points) -> Points:
    """Way over three (T, 3) stops; `first` and `second` (T,) are the shares of its two halves."""
    a, b, c = stops
    return a + (b - a) * first[:, None] + (c - b) * second[:, None]


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
    rig = _rig(nuisance, frame, body, 0.02 + 0.06 * near)
    meet = spread(frames, sign * (APART - 0.120), 1.12, 0.20) @ turn_matrix(angle).T
    hold = spread(frames, sign * 0.100 * height, 0.640 * height, 0.170 * height)
    rest = spread(frames, sign * 0.150 * height, 0.490 * height, 0.035 * height)
    stops = (hold, meet, rest) if person == 0 else (rest, meet, hold)
    wrist = _path(stops, ease(shares[0]), ease(shares[1]))
    at_rest = (ease(shares[1]) if person == 0 else 1 - ease(shares[0]))[:, None]
    hand = spread(frames, sign * 0.55, 0.45, 0.60) * (1 - at_rest) + at_rest * [0.0, -1.0, 0.2]
    arm = _reaching(rig, side, wrist, spread(frames, sign * 0.5, -1.0, -0.3), hand)
    face = head(rig, 0.10 + 0.05 * near, 0.25 * sign)
    pose = assemble(rig, {side: arm, other: _hang(rig, other)}, _still(rig), face)
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
    held = Held(centre, *_flat(0.2 - 0.4 * over, OBJECT_RADIUS), ((0, "left"), (1, "right")))
    return (giver, taker), (held,)


def wave(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """The raised right forearm swings from side to side, the hand open."""
    body, frames = nuisance.bodies[0], len(frame)
    rig = _rig(nuisance, frame, body)
    swing = 0.60 * nuisance.reach * body.vigour * np.sin(phase)
    upper = spread(frames, -0.85, -0.30 + 0.10 * np.sin(phase), 0.25)
    fore = spread(frames, -np.sin(0.20 + swing), np.cos(0.20 + swing), 0.20)
    arms = {"right": _angled(rig, "right", upper, fore), "left": _hang(rig, "left")}
    pose = assemble(rig, arms, _still(rig), head(rig, 0.0, 0.0), open_hand=True)
    return (_solo(nuisance, pose),), ()


def lift(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """Both forearms curl a dumbbell up to the shoulder and let it down."""
    body, frames = nuisance.bodies[0], len(frame)
    rig = _rig(nuisance, frame, body)
    middle, half = 1.30, 0.85 * min(nuisance.reach * body.vigour, 1.1)
    bend = middle - half * np.cos(phase)
    arms, held = {}, []
    for side, sign in SIDES.items():
        upper = spread(frames, sign * 0.28, -1.0, 0.05)
        fore = spread(frames, sign * 0.22, -np.cos(bend), np.sin(bend))
        arms[side] = _angled(rig, side, upper, fore)
        right = spread(frames, 1.0, 0.0, -0.1 * sign) * WEIGHT_RADIUS
        up = unit(np.cross(unit(fore), right)) * WEIGHT_RADIUS
        held.append(_carried(nuisance, _grip(arms[side], spread(frames, 0, 0, 0)), right, up, side))
    pose = assemble(rig, arms, _still(rig), head(rig, 0.02, 0.0))
    return (_solo(nuisance, pose),), tuple(held)


def step(nuisance: Nuisance, phase: Points, frame: Points) -> Scene:
    """Marching on the spot: the knees go up in turn, the arms swing against them."""
    body, frames = nuisance.bodies[0], len(frame)
    rig = _rig(nuisance, frame, body)
    force = nuisance.reach * body.vigour
    raised, arms = {}, {}
    for side, sign in SIDES.items():
        wave_ = np.sin(phase) * sign
        raised[side] = 0.145 * body.height * force * ease(0.62 * wave_ + 0.38)
        forward = -0.45 * force * wave_
        upper = spread(frames, sign * 0.22, -1.0, forward)
        fore = spread(frames, -sign * 0.12, 0.15 + 1.1 * forward, 0.9)
        arms[side] = _angled(rig, side, upper, fore)
    pose = assemble(rig, arms, legs(rig, raised, 0.058), head(rig, 0.0, 0.0))
    return (_solo(nuisance, pose),), ()


MOTIONS: dict[str, Motion] = {
    "sip": sip, "browse": browse, "give": give, "wave": wave, "lift": lift, "step": step,
}  # fmt: skip
"""The motion of each pair."""
