"""Choice of a clip's people among its tracks, by evidence over the whole clip."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.rois import PAPER_PEOPLE
from stroi.stages.pose.tracking.oks import seen, size

Subjects = Literal["auto", 1, 2, 3, 4]

GHOST_PRESENCE = 0.1
"""A track seen in a smaller share of the frames is taken for a ghost, never for a subject."""

FILLED = 0.9
"""Confidence of an interpolated joint, relative to the weaker of its two neighbours in time."""


def main_persons(
    tracks: NDArray[np.float32],
    *,
    people: int = PAPER_PEOPLE,
    subjects: Subjects = "auto",
    min_presence: float = 0.5,
    min_relative_size: float = 0.5,
    fill_gap: int = 3,
    in_order: bool = False,
) -> tuple[NDArray[np.float32], int]:
    """Choose a clip's one to P subjects, for the whole clip at once.

    Tracks are ranked by presence x size x confidence. The first is a subject. If ``subjects`` is
    ``auto``, the next ones are only with evidence enough; if it is a number, the first tracks
    always are. Person 0 is the one furthest left, and so on.

    Args:
        tracks: (tracks, T, 25, 3) px, zeros where absent.
        people: P, most subjects.
        subjects: Number of subjects, at most P, or ``auto``: from the tracks.
        min_presence: Share of the frames in which a subject beside the first must be seen, 0..1.
        min_relative_size: Size of such a subject relative to the first's, at least; size is the
            root of the area around the joints.
        fill_gap: Longest gap in frames over which a joint is interpolated linearly; its
            confidence is 0.9 of the weaker neighbour's. 0: never.
        in_order: Whether the tracks come from left to right already, as a sensor's do.

    Returns:
        Key points (T, P, 25, 3) float32, zeros where absent, and the person count, 1 to P:
        `subjects` where that is a number, even if fewer people were found.

    Raises:
        ClipRejected: ``NO_PERSON`` if nobody is seen in a tenth of the frames.
    """
    frames = tracks.shape[1]
    presence = seen(tracks).mean(axis=1) if frames else np.zeros(0)
    eligible = np.flatnonzero(presence >= GHOST_PRESENCE)
    if not len(eligible):
        raise ClipRejected(
            "NO_PERSON",
            f"nobody is seen in {GHOST_PRESENCE:.0%} of the {frames} frames",
            remedy="leave the clip out, or use a larger estimator image if people are small",
        )
    sizes = np.array([size(one) for one in tracks])
    confidence = np.array([_confidence(one) for one in tracks])
    rank = np.argsort(-(presence * sizes * confidence)[eligible], kind="stable")
    ranked = [int(place) for place in eligible[rank]]
    if subjects == "auto":
        others = [
            place
            for place in ranked[1:]
            if presence[place] >= min_presence
            and sizes[place] >= min_relative_size * sizes[ranked[0]]
        ]
        chosen = [ranked[0], *others][:people]
    else:
        chosen = ranked[:subjects]
    chosen.sort(key=None if in_order else lambda place: _median_x(tracks[place]))
    keypoints = np.zeros((frames, people, 25, 3), np.float32)
    keypoints[:, : len(chosen)] = fill_gaps(tracks[chosen], fill_gap).swapaxes(0, 1)
    return keypoints, len(chosen) if subjects == "auto" else subjects


def fill_gaps(tracks: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """Interpolate joints over short gaps.

    Args:
        tracks: (tracks, T, 25, 3) px, zeros where absent.
        longest: Longest gap in frames that is filled; 0 fills none.

    Returns:
        A copy (tracks, T, 25, 3) in which a joint missing for at most `longest` frames between
        two sightings stands on the line between them, with 0.9 of the smaller confidence.
    """
    filled = tracks.copy()
    for person, joint in np.ndindex(tracks.shape[0], tracks.shape[2]):
        path = tracks[person, :, joint]
        sightings = np.flatnonzero(path[:, 2] > 0)
        for before, after in pairwise(sightings):
            if 1 < after - before <= longest + 1:
                share = np.arange(1, after - before)[:, None] / (after - before)
                gap = filled[person, before + 1 : after, joint]
                gap[:, :2] = (1 - share) * path[before, :2] + share * path[after, :2]
                gap[:, 2] = FILLED * min(path[before, 2], path[after, 2])
    return filled


def _confidence(one: NDArray[np.float32]) -> float:
    """Mean confidence of the joints that are present."""
    present = one[..., 2][one[..., 2] > 0]
    return float(present.mean()) if len(present) else 0.0


def _median_x(one: NDArray[np.float32]) -> float:
    """Median x of a person's joints over the clip, px."""
    return float(np.median(one[..., 0][one[..., 2] > 0]))
