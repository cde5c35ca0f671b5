"""Repair of identities after two people were detected as one, as in a hug."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stroi.stages.pose.tracking.oks import centres, seen, size

MIN_FRAMES = 5
"""A track seen in fewer frames is too likely a ghost to be joined to another."""

NEAR = 1.0
"""Largest distance of two people that may be detected as one, in roots of the larger area."""

LONG_MERGER = 0.75
"""Gap in seconds beyond which people who met are taken to leave on the sides they came from."""

_Poses = NDArray[np.float32]
_Frames = NDArray[np.intp]


@dataclass(frozen=True)
class _Piece:
    """A track (T, 25, 3)."""

    poses: _Poses

    @cached_property
    def frames(self) -> _Frames:
        """Frames in which it is seen."""
        return np.flatnonzero(seen(self.poses))

    @cached_property
    def size(self) -> float:
        """Median root of the person's area, px."""
        return size(self.poses)

    def continued(self, other: _Piece, start: int) -> _Piece:
        """This track until `start`, the other from then on."""
        return _Piece(np.concatenate([self.poses[:start], other.poses[start:]]))


def repair_merges(tracks: _Poses, *, fps: float = 30.0) -> _Poses:
    """Mend tracks that a merger of two people broke or crossed.

    When two people stand close, an estimator finds only one: one track pauses or ends there,
    the other (the bridge) goes on, and after the parting either may have got the wrong person.
    After more than 0.75 s in one place speeds mean nothing any more, but people leave on the side
    they came from: tracks that changed sides exchange what comes after. Shorter mergers are
    passings-by, and the match by speed stays. A track that ends and one that begins near the same
    bridge are one person.

    Args:
        tracks: (tracks, T, 25, 3) px, zeros where absent.
        fps: Frames per second.

    Returns:
        (as many or fewer tracks, T, 25, 3), in the order of `tracks`.
    """
    pieces = [_Piece(one) for one in tracks]
    passing = LONG_MERGER * fps
    for place in range(len(pieces)):
        for before, after in _gaps(pieces[place].frames, passing):
            bridge = _nearest_bridge(pieces, (place, place), before, after, passing)
            if bridge is not None and bridge[2]:
                _exchange(pieces, place, bridge[1], int(after[0]))
    while (junction := _nearest_junction(pieces, passing)) is not None:
        ended, begun, bridge_place, exchanged = junction
        start = int(pieces[begun].frames[0])
        pieces[ended] = pieces[ended].continued(pieces[begun], start)
        if exchanged:
            _exchange(pieces, ended, bridge_place, start)
        del pieces[begun]
    return np.stack([piece.poses for piece in pieces]) if pieces else tracks


def _gaps(frames: _Frames, longer: float) -> list[tuple[_Frames, _Frames]]:
    """For each gap `longer` than so many frames those seen before it and those seen after it."""
    cuts = np.flatnonzero(np.diff(frames) > longer) + 1
    return [(frames[:cut], frames[cut:]) for cut in cuts]


def _exchange(pieces: list[_Piece], one: int, other: int, start: int) -> None:
    """Let two tracks exchange their poses from frame `start` on."""
    first, second = pieces[one], pieces[other]
    pieces[one], pieces[other] = first.continued(second, start), second.continued(first, start)


def _nearest_junction(
    pieces: Sequence[_Piece], passing: float
) -> tuple[int, int, int, bool] | None:
    """The closest (ended, begun, bridge, exchanged) of all, None if nothing is to be joined."""
    junctions = []
    for ended, begun in np.ndindex(len(pieces), len(pieces)):
        before, after = pieces[ended].frames, pieces[begun].frames
        if before[-1] < after[0] and min(len(before), len(after)) >= MIN_FRAMES:
            bridge = _nearest_bridge(pieces, (ended, begun), before, after, passing)
            if bridge is not None:
                junctions.append((bridge[0], ended, begun, bridge[1], bridge[2]))
    return min(junctions)[1:] if junctions else None


def _nearest_bridge(
    pieces: Sequence[_Piece],
    parts: tuple[int, int],
    before: _Frames,
    after: _Frames,
    passing: float,
) -> tuple[float, int, bool] | None:
    """The track that goes on through a merger.

    Args:
        pieces: The tracks.
        parts: The tracks seen before and after the merger; may be one and the same.
        before: Frames in which the first was seen before.
        after: Frames in which the second is seen after.
        passing: Frames that two who walk on may be one.

    Returns:
        (distance relative to the largest allowed, track, whether it changed sides), None if
        nobody is near.
    """
    end, start = int(before[-1]), int(after[0])
    first, second = pieces[parts[0]], pieces[parts[1]]
    bridges = []
    for place, bridge in enumerate(pieces):
        if place in parts or bridge.frames[0] > end or bridge.frames[-1] < start:
            continue
        left = _offset(first, before[before > end - MIN_FRAMES], bridge)
        returned = _offset(second, after[after < start + MIN_FRAMES], bridge)
        reach = NEAR * max(first.size, second.size, bridge.size)
        distance = max(float(np.hypot(*left)), float(np.hypot(*returned))) / reach
        changed = start - end > passing and bool(left[0] * returned[0] < 0)
        if distance <= 1:
            bridges.append((distance, place, changed))
    return min(bridges) if bridges else None


def _offset(one: _Piece, frames: _Frames, bridge: _Piece) -> NDArray[np.float64]:
    """Median (x, y) offset in px of a person from the bridging one in some frames."""
    first, last = np.searchsorted(bridge.frames, [frames[0], frames[-1]])
    known = bridge.frames[max(first - 1, 0) : last + 1]
    path = centres(bridge.poses[known])
    # 2 times (F,) -> (F, 2)
    bridging = np.stack([np.interp(frames, known, path[:, axis]) for axis in (0, 1)], axis=1)
    return np.asarray(np.median(centres(one.poses[frames]) - bridging, axis=0))
