"""Identity over time: who is who from frame to frame, in whatever order people are detected.

Works on key points alone, so it serves every pose source and can be run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stroi.stages.pose.tracking.merge_repair import repair_merges
from stroi.stages.pose.tracking.oks import oks
from stroi.stages.pose.tracking.swap_correction import correct_swaps

FPS = 30.0
"""Frames per second assumed of a clip whose header names none, or an impossible number."""

MEMORY = 1.0
"""Seconds for which someone out of sight is remembered."""

CREDIT = 10
"""Frames out of sight for which someone is remembered per frame in sight: ghosts are soon gone."""

MATCH = 0.15
"""Smallest similarity of someone to the place where a track expects them."""

FADING = 0.4
"""Share left after a second out of sight, of a track's speed and of its claim against others."""

MOST_TRACKS = 64
"""Tracks that are kept of a clip, those seen longest."""

INERTIA = 1 / 30
"""Seconds, and at least a frame, in which a displacement's weight in a speed falls to half."""


@dataclass(frozen=True)
class _Pace:
    """The constants above per frame, at the clip's frame rate."""

    fading: float
    newest: float
    memory: float


@dataclass
class _Track:
    """One identity: its poses so far, and where it is going (px per frame)."""

    poses: dict[int, NDArray[np.float32]]
    last: int
    pace: _Pace
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    @property
    def seen(self) -> int:
        """Frames in which the person was detected."""
        return len(self.poses)

    def expected(self, time: int) -> NDArray[np.float32]:
        """Pose (25, 3) at a later frame if the person goes on at its fading speed."""
        fading = self.pace.fading
        steps = (1 - fading ** (time - self.last)) / (1 - fading)
        pose = self.poses[self.last].copy()
        pose[:, :2] += (self.velocity * steps).astype(np.float32)
        return pose

    def extend(self, time: int, pose: NDArray[np.float32]) -> None:
        """Take the pose detected at `time`; the whole body moves by its joints' median step."""
        before = self.poses[self.last]
        shared = (before[:, 2] > 0) & (pose[:, 2] > 0)
        step = np.median(pose[shared, :2] - before[shared, :2], axis=0) / (time - self.last)
        self.velocity = (1 - self.pace.newest) * self.velocity + self.pace.newest * step
        self.poses[time] = pose
        self.last = time


def track(detections: Sequence[NDArray[np.float32]], *, fps: float = FPS) -> NDArray[np.float32]:
    """Join the people of each frame to identities.

    Each frame's people are matched to the tracks of the last second by object keypoint
    similarity with the pose expected at fading speed: the assignment with the largest sum wins,
    pairs below 0.15 do not count. The order of people within a frame has no effect. At the end
    `repair_merges` and `correct_swaps` mend tracks that mergers of two people broke or crossed.

    Args:
        detections: For each of T frames the people in it, (P, 25, 3) BODY_25 in px; P differs
            from frame to frame; confidence 0 is absent.
        fps: Frames per second of the clip; 0 if unknown.

    Returns:
        (tracks, T, 25, 3) float32, zeros where a track was not seen; sorted by first frame,
        then by place; at most 64 tracks.
    """
    rate = fps if 1 <= fps <= 1000 else FPS
    newest = min(0.5, 1 - 0.5 ** (1 / (INERTIA * rate)))
    pace = _Pace(FADING ** (1 / rate), newest, MEMORY * rate)
    tracks: list[_Track] = []
    live: list[_Track] = []
    for time, people in enumerate(detections):
        people = _sorted(np.asarray(people, np.float32))
        live = [one for one in live if time - one.last <= min(pace.memory, CREDIT * one.seen)]
        pairs = _match(live, people, time)
        for row, column in pairs:
            live[row].extend(time, people[column])
        matched = {column for _, column in pairs}
        new = [
            _Track({time: people[column]}, time, pace)
            for column in range(len(people))
            if column not in matched
        ]
        tracks += new
        live += new
    return correct_swaps(repair_merges(_joined(tracks, len(detections)), fps=rate))


def _joined(tracks: list[_Track], frames: int) -> NDArray[np.float32]:
    """The tracks seen longest as one array (tracks, T, 25, 3), in their order."""
    longest = sorted(range(len(tracks)), key=lambda place: -tracks[place].seen)[:MOST_TRACKS]
    joined = np.zeros((len(longest), frames, 25, 3), np.float32)
    for place, number in enumerate(sorted(longest)):
        poses = tracks[number].poses
        joined[place, list(poses)] = list(poses.values())
    return joined


def _sorted(people: NDArray[np.float32]) -> NDArray[np.float32]:
    """People with any joint at all, in an order that depends on nothing but themselves."""
    people = people.reshape(-1, 25, 3)
    people = people[(people[..., 2] > 0).any(axis=1)]
    keys = people.reshape(len(people), 75).T[::-1]  # (P, 25, 3) -> (P, 75) -> (75, P)
    return people[np.lexsort(keys)] if len(people) else people


def _match(live: list[_Track], people: NDArray[np.float32], time: int) -> list[tuple[int, int]]:
    """Pairs (track, person) that belong together."""
    if not live or not len(people):
        return []
    # (tracks, 25, 3), (P, 25, 3) -> (tracks, P)
    similarity = oks(np.stack([one.expected(time) for one in live]), people)
    similarity[similarity < MATCH] = 0
    similarity *= [[one.pace.fading ** (time - 1 - one.last)] for one in live]
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if similarity[row, column] > 0
    ]
