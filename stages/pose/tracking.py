"""Identity over time: who is who from frame to frame, whatever order people are found in.

Works on key points alone, so it serves every pose source and can be run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stroi.stages.pose.rejoining import rejoin
from stroi.stages.pose.similarity import oks

MEMORY = 30
"""Frames for which someone out of sight is remembered."""

MATCH = 0.15
"""Smallest similarity of someone to the place where a track expects them."""

DAMPING = 0.97
"""Share of a track's speed that is left after each frame out of sight."""

STALENESS = 0.97
"""Handicap per frame out of sight of a track that competes with others for a person."""

SMOOTHING = 0.5
"""Weight of the newest displacement in a track's speed."""


@dataclass
class _Track:
    """One identity: its poses so far, and where it is going (px per frame)."""

    poses: dict[int, NDArray[np.float32]]
    last: int
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def expected(self, time: int) -> NDArray[np.float32]:
        """Pose (25, 3) at a later frame if the person keeps its damped speed."""
        steps = (1 - DAMPING ** (time - self.last)) / (1 - DAMPING)
        pose = self.poses[self.last].copy()
        pose[:, :2] += (self.velocity * steps).astype(np.float32)
        return pose

    def extend(self, time: int, pose: NDArray[np.float32]) -> None:
        """Take the pose found at `time`; the whole body moves by its joints' median step."""
        before = self.poses[self.last]
        shared = (before[:, 2] > 0) & (pose[:, 2] > 0)
        step = np.median(pose[shared, :2] - before[shared, :2], axis=0) / (time - self.last)
        self.velocity = (1 - SMOOTHING) * self.velocity + SMOOTHING * step
        self.poses[time] = pose
        self.last = time


def track(detections: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join the people of each frame to identities.

    Each frame's people are matched to the tracks of the last 30 frames by object keypoint
    similarity with the pose expected at constant, damped speed: the assignment with the largest
    sum wins, pairs below 0.15 do not count. The order of people within a frame has no effect.
    At the end, tracks that mergers of two people broke or crossed are mended (`rejoin`).

    Args:
        detections: For each of T frames the people found, (P, 25, 3) BODY_25 in px; P differs
            from frame to frame; confidence 0 is absent.

    Returns:
        (tracks, T, 25, 3) float32, zeros where a track was not seen; sorted by first frame,
        then by place.
    """
    tracks: list[_Track] = []
    for time, people in enumerate(detections):
        people = _sorted(np.asarray(people, np.float32))
        live = [one for one in tracks if time - one.last <= MEMORY]
        pairs = _match(live, people, time)
        for row, column in pairs:
            live[row].extend(time, people[column])
        matched = {column for _, column in pairs}
        tracks += [
            _Track({time: people[column]}, time)
            for column in range(len(people))
            if column not in matched
        ]
    joined = np.zeros((len(tracks), len(detections), 25, 3), np.float32)
    for place, one in enumerate(tracks):
        joined[place, list(one.poses)] = list(one.poses.values())
    return rejoin(joined)


def _sorted(people: NDArray[np.float32]) -> NDArray[np.float32]:
    """People with any joint at all, in an order that depends on nothing but themselves."""
    people = people.reshape(-1, 25, 3)
    people = people[(people[..., 2] > 0).any(axis=1)]
    keys = people.reshape(len(people), 75).T[::-1]
    return people[np.lexsort(keys)] if len(people) else people


def _match(live: list[_Track], people: NDArray[np.float32], time: int) -> list[tuple[int, int]]:
    """Pairs (track, person) that belong together."""
    if not live or not len(people):
        return []
    alike = oks(np.stack([one.expected(time) for one in live]), people)
    alike[alike < MATCH] = 0
    alike *= STALENESS ** (time - 1 - np.array([[one.last] for one in live]))
    rows, columns = linear_sum_assignment(alike, maximize=True)
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if alike[row, column] > 0
    ]
