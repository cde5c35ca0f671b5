"""Putting an identity together again after two people were seen as one, as in a hug."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.stages.pose.similarity import areas

MIN_FRAMES = 5
"""A track seen in fewer frames is too likely a ghost to be joined to another."""

NEAR = 1.0
"""Largest distance of two people that may be seen as one, in roots of the larger one's area."""

LONG_MERGER = 30
"""Gap in frames beyond which people who met are taken to leave on the sides they came from."""

_Path = tuple[NDArray[np.intp], NDArray[np.float64]]


def rejoin(tracks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Join a track that ended beside another person to one that began beside the same person.

    When two people stand close, an estimator finds only one: a track ends there, and after the
    parting a new one begins. Both belong to one person if a third track saw the merged pair from
    end to beginning. After a merger of more than 30 frames people leave on the side they came
    from, so if the new track begins on the other side, the merged track has followed the
    wrong one since: the two exchange what comes after. Shorter mergers are passings-by, and the
    speeds that matched them stand.

    Args:
        tracks: (tracks, T, 25, 3) px, zeros where absent.

    Returns:
        (fewer tracks, T, 25, 3), in the order of the tracks' first frames.
    """
    pieces = list(tracks)
    while (found := _first_junction(pieces)) is not None:
        ended, begun, bridge, exchanged = found
        part = int(_seen(pieces[begun])[0])
        after = bridge if exchanged else begun
        joined = np.concatenate([pieces[ended][:part], pieces[after][part:]])
        if exchanged:
            pieces[bridge] = np.concatenate([pieces[bridge][:part], pieces[begun][part:]])
        pieces[ended] = joined
        del pieces[begun]
    return np.stack(pieces) if pieces else tracks


def _seen(one: NDArray[np.float32]) -> NDArray[np.intp]:
    """Frames in which a person (T, 25, 3) is seen."""
    return np.flatnonzero((one[..., 2] > 0).any(axis=1))


def _path(one: NDArray[np.float32]) -> _Path:
    """Frames in which a person is seen, and the median place (frames, 2) of its joints in px."""
    seen = _seen(one)
    places = np.where(one[seen, :, 2:] > 0, one[seen, :, :2], np.nan).astype(np.float64)
    return seen, np.nanmedian(places, axis=1)


def _first_junction(
    pieces: list[NDArray[np.float32]],
) -> tuple[int, int, int, bool] | None:
    """The closest (ended, begun, bridge, exchanged) of all, None if nothing is to be joined."""
    paths = [_path(piece) for piece in pieces]
    scale = [float(np.median(np.sqrt(areas(piece[path[0]])))) for piece, path in zip(
        pieces, paths, strict=True)]  # fmt: skip
    best: tuple[float, int, int, int, bool] | None = None
    for ended, begun in np.ndindex(len(pieces), len(pieces)):
        end, start = int(paths[ended][0][-1]), int(paths[begun][0][0])
        if end >= start or min(len(paths[ended][0]), len(paths[begun][0])) < MIN_FRAMES:
            continue
        for bridge, (frames, _) in enumerate(paths):
            if bridge in (ended, begun) or frames[0] > end or frames[-1] < start:
                continue
            left = _offset(paths[ended], paths[bridge], slice(-MIN_FRAMES, None))
            returned = _offset(paths[begun], paths[bridge], slice(None, MIN_FRAMES))
            reach = NEAR * max(scale[ended], scale[begun], scale[bridge])
            apart = max(float(np.hypot(*left)), float(np.hypot(*returned))) / reach
            exchanged = start - end > LONG_MERGER and left[0] * returned[0] < 0
            candidate = (apart, ended, begun, bridge, exchanged)
            if apart <= 1 and (best is None or candidate < best):
                best = candidate
    return best[1:] if best else None


def _offset(one: _Path, bridge: _Path, part: slice) -> NDArray[np.float64]:
    """Median (x, y) offset in px of a person from the bridging one over part of its frames."""
    frames, places = one[0][part], one[1][part]
    beside = [np.interp(frames, bridge[0], bridge[1][:, axis]) for axis in (0, 1)]
    return np.asarray(np.median(places - np.stack(beside, axis=1), axis=0))
