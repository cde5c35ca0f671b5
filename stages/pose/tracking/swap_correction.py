"""Correction of identities swapped while two people overlapped: people keep their size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25
from stroi.stages.pose.tracking.oks import centres, pairwise_oks, seen, size

NEAR = 0.6
"""Distance in roots of the larger area below which a missing person may hide behind another."""

CONFUSABLE = 0.25
"""Similarity above which two people in one frame can be taken for each other."""

CALM = 4
"""Frames of clear sight that separate two encounters."""

WINDOW = 24
"""Frames before and after an encounter in which sizes are compared."""

FEWEST = 3
"""Fewest frames for a comparison."""

CLEAR = 0.06
"""Difference in size, as natural logarithm, from which two people can be distinguished."""

_BONES = np.array(
    [
        (BODY_25.index(upper), BODY_25.index(lower))
        for upper, lower in (
            ("neck", "mid_hip"),
            ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
            ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        )
    ]
)  # fmt: skip

_Poses = NDArray[np.float32]


def correct_swaps(tracks: _Poses) -> _Poses:
    """Exchange two tracks after an encounter if each then has the other's size.

    While two people overlap, poses are mixed and motion misleads. Their sizes do not: if one was
    clearly larger before, by 6 % in torso and legs, and the other is clearly larger afterwards,
    the tracks were swapped in between. People of about one size stay as motion matched them.

    Args:
        tracks: (tracks, T, 25, 3) px, zeros where absent.

    Returns:
        (tracks, T, 25, 3), in the order of `tracks`.
    """
    corrected = tracks.copy()
    for first, second in combinations(range(len(tracks)), 2):
        for begin, end in _encounters(corrected[first], corrected[second]):
            one, other = corrected[first], corrected[second]
            before, after = _larger(one, other, begin, end)
            if before * after < -(CLEAR**2):
                at = _switch(one, other, begin, end)
                corrected[[first, second], at:] = corrected[[second, first], at:]
    return corrected


def _encounters(one: _Poses, other: _Poses) -> Iterator[tuple[int, int]]:
    """First and last frame of each stay in one place of two people (T, 25, 3)."""
    both = seen(one) & seen(other)
    if np.count_nonzero(both) < 2 * FEWEST:
        return
    times = np.flatnonzero(both)
    distance = _distance(one[times], other[times])
    inside = np.arange(times[0], times[-1] + 1)
    reach = NEAR * max(size(one), size(other))
    hidden = np.interp(inside, times, distance) < reach
    busy = np.where(both[inside], pairwise_oks(one[inside], other[inside]) > CONFUSABLE, hidden)
    stays: list[list[int]] = []
    for time in inside[busy]:
        if stays and time - stays[-1][1] <= CALM:
            stays[-1][1] = int(time)
        else:
            stays.append([int(time), int(time)])
    yield from ((begin, end) for begin, end in stays)


def _larger(one: _Poses, other: _Poses, begin: int, end: int) -> tuple[float, float]:
    """By how much `one` is larger than `other` before and after an encounter; 0 if unknown."""
    both = np.flatnonzero(seen(one) & seen(other))
    before, after = both[both < begin][-WINDOW:], both[both > end][:WINDOW]
    if min(len(before), len(after)) < FEWEST:
        return 0.0, 0.0
    return _ratio(one[before], other[before]), _ratio(one[after], other[after])


def _ratio(one: _Poses, other: _Poses) -> float:
    """Natural logarithm of the ratio of two people's (F, 25, 3) bone lengths, 0 if unknown."""
    with np.errstate(divide="ignore"):
        ratios = np.log(_bones(one)) - np.log(_bones(other))
    known = ratios[np.isfinite(ratios)]
    return float(np.median(known)) if len(known) else 0.0


def _bones(poses: _Poses) -> NDArray[np.float64]:
    """Lengths (F, bones) in px, NaN where an end is absent."""
    ends = poses[:, _BONES].astype(np.float64)
    lengths = np.linalg.norm(ends[:, :, 0, :2] - ends[:, :, 1, :2], axis=-1)
    return np.where((ends[..., 2] > 0).all(axis=2), lengths, np.nan)


def _distance(one: _Poses, other: _Poses) -> NDArray[np.float64]:
    """(F,) distance in px of two people (F, 25, 3) that are both seen."""
    return np.asarray(np.linalg.norm(centres(one) - centres(other), axis=1))


def _switch(one: _Poses, other: _Poses, begin: int, end: int) -> int:
    """Frame from which two tracks are exchanged: after the longest gap, else where nearest."""
    both = (seen(one) & seen(other))[begin : end + 1]
    known = np.flatnonzero(np.concatenate([[True], both, [True]]))
    longest = int(np.argmax(np.diff(known)))
    if known[longest + 1] - known[longest] > 1:
        return begin + int(known[longest + 1]) - 1
    return begin + int(np.argmin(_distance(one[begin : end + 1], other[begin : end + 1])))
