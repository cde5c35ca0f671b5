"""The parts of all motions: phase, trunk with sway, arms, and places of held objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stroi.stages.demo.body import (
    HAND,
    SIDES,
    Points,
    Pose,
    Rig,
    arm_lengths,
    legs,
    placed,
    reach,
    spread,
    stand,
    turn_matrix,
    unit,
)
from stroi.stages.demo.randomisation import TICKS, Body, Nuisance

Arm = tuple[Points, Points, Points]
"""Elbow, wrist and finger tips, (T, 3) each."""
STANCE = 0.072
"""Half distance of a standing person's feet, share of the height."""


@dataclass(frozen=True)
class HeldObject:
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
    return turned.astype(np.float64) * (2 * np.pi / (TICKS * step))


def ease(share: Points) -> Points:
    """Smooth step from 0 at 0 to 1 at 1."""
    clipped = np.clip(share, 0.0, 1.0).astype(np.float64)
    return clipped * clipped * (3 - 2 * clipped)


def trunk(nuisance: Nuisance, frame: Points, body: Body, lean: Points | float = 0.02) -> Rig:
    """A standing trunk with this clip's slow sway."""
    a, b, rate_a, rate_b = nuisance.sway
    aside = np.sin(2 * np.pi * (a + rate_a * frame))
    ahead = np.sin(2 * np.pi * (b + rate_b * frame))
    return stand(body, spread(len(frame), 0.014 * aside, 0, 0.010 * ahead), lean, 0.018 * aside)


def hanging(rig: Rig, side: str) -> Arm:
    """An arm that hangs at the person's side."""
    frames, sign = len(rig.pelvis), SIDES[side]
    return angled(
        rig, side, spread(frames, sign * 0.30, -1, 0.02), spread(frames, sign * 0.14, -1, 0.22)
    )


def angled(rig: Rig, side: str, upper: Points, fore: Points) -> Arm:
    """An arm given by the directions of its two bones; the hand goes on straight."""
    first, second = arm_lengths(rig.body)
    elbow = rig.shoulder(side) + unit(upper) * first
    wrist = elbow + unit(fore) * second
    return elbow, wrist, wrist + unit(fore) * (HAND * rig.body.height)


def reaching(rig: Rig, side: str, target: Points, pole: Points, hand: Points) -> Arm:
    """An arm whose wrist goes to `target`, elbow towards `pole`, hand along `hand`."""
    elbow, wrist = reach(rig.shoulder(side), target, arm_lengths(rig.body), pole)
    return elbow, wrist, wrist + unit(hand) * (HAND * rig.body.height)


def grip(arm: Arm, away: Points) -> Points:
    """(T, 3) centre of an object in the hand: on the palm, `away` metres off it."""
    return arm[1] + 0.72 * (arm[2] - arm[1]) + away


def standing(rig: Rig) -> dict[str, Points]:
    """Legs of a person who stands still."""
    rest = np.zeros(len(rig.pelvis))
    return legs(rig, {"right": rest, "left": rest}, STANCE)


def centred(nuisance: Nuisance, pose: Pose) -> Pose:
    """One person in the middle of the scene."""
    return placed(pose, nuisance.facing, (nuisance.place[0], 0.0, nuisance.place[1]))


def carried(
    nuisance: Nuisance, centre: Points, right: Points, up: Points, *sides: str
) -> HeldObject:
    """An object of the single person, moved to the scene with them."""
    turn = turn_matrix(nuisance.facing)
    offset = np.array([nuisance.place[0], 0.0, nuisance.place[1]])
    return HeldObject(centre @ turn + offset, right @ turn, up @ turn, tuple((0, s) for s in sides))


def upright(angle: Points, radius: float) -> tuple[Points, Points]:
    """Right and up edge of an upright picture turned by `angle` (T,) radians."""
    frames = len(angle)
    right = spread(frames, np.cos(angle), np.sin(angle), 0) * radius
    return right, spread(frames, -np.sin(angle), np.cos(angle), 0) * radius


def way(stops: tuple[Points, Points, Points], first: Points, second: Points) -> Points:
    """Way over three (T, 3) stops; `first` and `second` (T,) are the shares of its two halves."""
    a, b, c = stops
    return a + (b - a) * first[:, None] + (c - b) * second[:, None]
