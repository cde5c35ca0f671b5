"""Putting identities right after two people were seen as one, as in a hug."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stroi.stages.pose.similarity import areas

MIN_FRAMES = 5
"""A track seen in fewer frames is too likely a ghost to be joined to another."""

NEAR = 1.0
"""Largest distance of two people that may be seen as one, in roots of the larger one's area."""

LONG_MERGER = 15
"""Gap in frames beyond which people who met are taken to leave on the sides they came from."""

_Poses = NDArray[np.float32]
_Frames = NDArray[np.intp]


def rejoin(tracks: _Poses) -> _Poses:
    """Mend tracks that a merger of two people broke or crossed.

    When two people stand close, an estimator finds only one: one track pauses or ends there,
    the other (the bridge) goes on, and after the parting either may have got the wrong person.
    After more than 15 frames in one place speeds say nothing any more, but people leave on the
    side they came from: where the tracks say otherwise, they exchange what comes after. Shorter
    mergers are passings-by, and the speeds that matched them stand. A track that ends and one
    that begins beside the same bridge are one person.

    Args:
        tracks: (tracks, T, 25, 3) px, zeros where absent.

    Returns:
        (as many or fewer tracks, T, 25, 3), in the order of `tracks`.
    """
    pieces = [one.copy() for one in tracks]
    for place in range(len(pieces)):
        for before, after in _long_gaps(_seen(pieces[place])):
            bridge = _nearest_bridge(pieces, (place, place), before, after)
            if bridge is not None and bridge[2]:
                _exchange(pieces, place, bridge[1], int(after[0]))
    while (junction := _nearest_junction(pieces)) is not None:
        ended, begun, bridge_place, exchanged = junction
        start = int(_seen(pieces[begun])[0])
        pieces[ended][start:] = pieces[begun][start:]
        if exchanged:
            _exchange(pieces, ended, bridge_place, start)
        del pieces[begun]
    return np.stack(pieces) if pieces else tracks


def _seen(one: _Poses) -> _Frames:
    """Frames in which a person (T, 25, 3) is seen."""
    return np.flatnonzero((one[..., 2] > 0).any(axis=1))


def _long_gaps(seen: _Frames) -> list[tuple[_Frames, _Frames]]:
    """For each long gap the frames seen before it and those seen after it."""
    cuts = np.flatnonzero(np.diff(seen) > LONG_MERGER) + 1
    return [(seen[:cut], seen[cut:]) for cut in cuts]


def _exchange(pieces: list[_Poses], one: int, other: int, start: int) -> None:
    """Let two tracks exchange what they show from frame `start` on."""
    kept = pieces[one][start:].copy()
    pieces[one][start:] = pieces[other][start:]
    pieces[other][start:] = kept


def _nearest_junction(pieces: list[_Poses]) -> tuple[int, int, int, bool] | None:
    """The closest (ended, begun, bridge, exchanged) of all, None if nothing is to be joined."""
    seen = [_seen(piece) for piece in pieces]
    found = []
    for ended, begun in np.ndindex(len(pieces), len(pieces)):
        before, after = seen[ended], seen[begun]
        if before[-1] < after[0] and min(len(before), len(after)) >= MIN_FRAMES:
            bridge = _nearest_bridge(pieces, (ended, begun), before, after)
            if bridge is not None:
                found.append((bridge[0], ended, begun, bridge[1], bridge[2]))
    return min(found)[1:] if found else None


def _nearest_bridge(
    pieces: Sequence[_Poses], parts: tuple[int, int], before: _Frames, after: _Frames
) -> tuple[float, int, bool] | None:
    """The track that saw a merger through.

    Args:
        pieces: Tracks (T, 25, 3).
        parts: The tracks seen before and after the merger; may be one and the same.
        before: Frames in which the first was seen before.
        after: Frames in which the second is seen after.

    Returns:
        (distance relative to the largest allowed, track, whether it changed sides), None if
        nobody was near.
    """
    end, start = int(before[-1]), int(after[0])
    found = []
    for place, bridge in enumerate(pieces):
        frames = _seen(bridge)
        if place in parts or frames[0] > end or frames[-1] < start:
            continue
        left = _offset(pieces[parts[0]], before[-MIN_FRAMES:], bridge)
        returned = _offset(pieces[parts[1]], after[:MIN_FRAMES], bridge)
        reach = NEAR * max(_scale(pieces[parts[0]]), _scale(pieces[parts[1]]), _scale(bridge))
        apart = max(float(np.hypot(*left)), float(np.hypot(*returned))) / reach
        changed = start - end > LONG_MERGER and bool(left[0] * returned[0] < 0)
        if apart <= 1:
            found.append((apart, place, changed))
    return min(found) if found else None


def _scale(one: _Poses) -> float:
    """Median root of a person's area, px."""
    return float(np.median(np.sqrt(areas(one[_seen(one)]))))


def _offset(one: _Poses, frames: _Frames, bridge: _Poses) -> NDArray[np.float64]:
    """Median (x, y) offset in px of a person from the bridging one in some frames."""
    seen = _seen(bridge)
    beside = _centres(bridge[seen])
    across = np.stack([np.interp(frames, seen, beside[:, axis]) for axis in (0, 1)], axis=1)
    return np.asarray(np.median(_centres(one[frames]) - across, axis=0))


def _centres(poses: _Poses) -> NDArray[np.float64]:
    """Median place (frames, 2) in px of the joints found."""
    places = np.where(poses[..., 2:] > 0, poses[..., :2], np.nan).astype(np.float64)
    return np.asarray(np.nanmedian(places, axis=1))
