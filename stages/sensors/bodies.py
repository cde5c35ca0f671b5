"""Which bodies of a Kinect's recording are its people: by evidence, never by the label.

The sensor gives a body a new id when it lost and found it again, sees people in furniture for a
while, and counts everybody in the room. Its makers' data set advises to drop bodies that are too
wide for their height and to rank the others by how much they move.

Legend of shapes: T frames of the clip, F frames that show a body, V joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.rois import PAPER_PEOPLE
from stroi.stages.sensors.ntu_skeleton import Body, NtuSkeleton

MAX_BODIES = 1000
"""Most ids in a clip; recordings of some seconds have some ids, those of an hour some dozens."""

MAX_GAP = 10
"""Frames, a third of a second, within which a lost body may come back under a new id."""

MAX_STEP = 0.5
"""Distance in m that it may have gone by then: 1.5 m/s is a brisk walk."""

WIDE = 0.8
"""Width over height, both the spread of a frame's joints, that no standing or sitting person has:
a standing person is three times as tall as wide, a sitting one still taller than wide."""

MAX_WIDE = 0.7
"""Share of its frames in which a body may be `WIDE`: people spread their arms, or fall."""

MIN_PERSISTENCE = 1 / 3
"""Frames of a person, relative to the body that is seen longest. Two people who hug hide one
another for half a clip; what the sensor sees in furniture flickers."""

MIN_SWAY = 0.005
"""Root mean square motion per joint, m, of a further person: a person who stands sways by 1 cm."""


@dataclass(frozen=True)
class Person:
    """One person of a clip.

    Attributes:
        id: The smallest of the sensor's ids of this person.
        joints: (T, V, 3) float32, m in the sensor's space; zeros where a joint is not tracked.
        pixels: (T, V, 2) float32, px of the colour picture; zeros where it is not tracked.
        states: (T, V) uint8: 0 not tracked, 1 inferred, 2 tracked.
    """

    id: int
    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    states: NDArray[np.uint8]


def main_bodies(
    skeleton: NtuSkeleton, where: str, people: int = PAPER_PEOPLE
) -> tuple[Person, ...]:
    """Choose a clip's one to P people, for the whole clip at once.

    Ids that follow each other in time and place are one person. Bodies that are `WIDE` most of the
    time are dropped, unless all are, and so are those seen for a short time. The others are ranked
    by motion times persistence, ties by id. The first is kept, and the next ones who move at all.

    Args:
        skeleton: The recording.
        where: Its file, for messages.
        people: P, most people kept.

    Returns:
        One to P people, from left to right in the colour picture.

    Raises:
        ClipRejected: ``SKEL_COUNT`` if there are too many ids, ``SKEL_EMPTY`` if no joint of
            anybody is tracked.
    """
    bodies = [body for body in map(_tracked, skeleton.bodies) if len(body.frames)]
    if len(bodies) > MAX_BODIES:
        problem = f"{len(bodies)} bodies, at most {MAX_BODIES} can be in a clip"
        raise ClipRejected("SKEL_COUNT", f"{where!a}: {problem}", remedy="leave the sample out")
    if not bodies:
        problem = "no joint of anybody is tracked"
        raise ClipRejected("SKEL_EMPTY", f"{where!a}: {problem}", remedy="leave the sample out")
    followed = follow(bodies)
    narrow = [body for body in followed if wide_share(body) < MAX_WIDE] or followed
    longest = max(len(body.frames) for body in narrow)
    lasting = [body for body in narrow if len(body.frames) >= MIN_PERSISTENCE * longest]
    ranked = sorted(lasting, key=lambda body: (-motion(body) * len(body.frames), body.id))
    others = [body for body in ranked[1:] if motion(body) >= _least_motion(body)]
    chosen = sorted(ranked[:1] + others[: people - 1], key=lambda body: (_left(body), body.id))
    return tuple(_spread(body, skeleton.frames) for body in chosen)


def follow(bodies: list[Body]) -> list[Body]:
    """Join the bodies that are one person under several ids.

    Each body, in the order of their beginnings, goes on from the nearest body that ended at most
    `MAX_GAP` frames before and `MAX_STEP` away, and from which no other goes on.

    Args:
        bodies: Bodies with at least one frame each.

    Returns:
        The people, sorted by id, which is the smallest of theirs.
    """
    chains: list[list[Body]] = []
    for body in sorted(bodies, key=lambda body: (int(body.frames[0]), body.id)):
        near = [
            (_distance(chain[-1], body), chain[-1].id, chain)
            for chain in chains
            if 0 < body.frames[0] - chain[-1].frames[-1] <= MAX_GAP
        ]
        distance, _, chain = min(near, key=lambda one: one[:2], default=(np.inf, 0, []))
        if distance <= MAX_STEP:
            chain.append(body)
        else:
            chains.append([body])
    return sorted(map(_joined, chains), key=lambda body: body.id)


def motion(body: Body) -> float:
    """Motion energy: the variances of x, y and z over time, summed over the joints, m2."""
    seen = (body.states > 0)[..., None]
    count = np.maximum(seen.sum(axis=0), 1)
    joints = body.joints.astype(np.float64)
    mean = joints.sum(axis=0, where=seen) / count
    return float((np.square(joints - mean).sum(axis=0, where=seen) / count).sum())


def wide_share(body: Body) -> float:
    """Share of its frames in which a body is `WIDE`."""
    seen = body.states > 0
    width, height = (
        np.where(seen, body.joints[..., axis], -np.inf).max(axis=1)
        - np.where(seen, body.joints[..., axis], np.inf).min(axis=1)
        for axis in (0, 1)
    )
    return float(np.count_nonzero(width > WIDE * height) / len(width))


def _least_motion(body: Body) -> float:
    return len(body.joints[0]) * MIN_SWAY**2


def _tracked(body: Body) -> Body:
    """The body without frames of which no joint is tracked, and zeros for joints that are not."""
    kept = body.states.any(axis=1)
    seen = (body.states[kept] > 0)[..., None]
    return Body(
        body.id,
        body.frames[kept],
        np.where(seen, body.joints[kept], np.float32(0)),
        np.where(seen, body.pixels[kept], np.float32(0)),
        body.states[kept],
    )


def _distance(one: Body, other: Body) -> float:
    """From where `one` was last seen to where `other` is first, in m."""
    end = one.joints[-1][one.states[-1] > 0].mean(axis=0)
    start = other.joints[0][other.states[0] > 0].mean(axis=0)
    return float(np.linalg.norm(start - end))


def _joined(chain: list[Body]) -> Body:
    assert all(one.frames[-1] < other.frames[0] for one, other in pairwise(chain))
    return Body(
        min(body.id for body in chain),
        np.concatenate([body.frames for body in chain]),
        np.concatenate([body.joints for body in chain]),
        np.concatenate([body.pixels for body in chain]),
        np.concatenate([body.states for body in chain]),
    )


def _left(body: Body) -> float:
    """Median x of a body's joints in the colour picture over the clip, px."""
    return float(np.median(body.pixels[..., 0][body.states > 0]))


def _spread(body: Body, frames: int) -> Person:
    """The body in all frames of its clip."""
    joints, pixels, states = (
        np.zeros((frames, *values.shape[1:]), values.dtype)
        for values in (body.joints, body.pixels, body.states)
    )
    joints[body.frames], pixels[body.frames] = body.joints, body.pixels
    states[body.frames] = body.states
    return Person(body.id, joints, pixels, states)
