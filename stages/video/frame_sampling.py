"""Which frames of a clip become the columns of its mosaic (paper, section III.A: tau)."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError
from stroi.cache.mosaic_columns import scored_columns
from stroi.pipeline.params.profile import MosaicParams

SamplingRule = Literal["interior", "centre", "paper"]


def mosaic_frames(count: int, params: MosaicParams) -> NDArray[np.int32]:
    """Frame index of each column that a mosaic of a clip of T = `count` frames is cut with.

    Returns:
        (C,) int32, as `sample_candidates`.
    """
    return sample_candidates(count, params.columns, params.candidates, params.sampling)


def nearest_in_time(frames: NDArray[np.int32], times: NDArray[np.float64]) -> NDArray[np.int32]:
    """The frames that are shown when those of a constant frame rate would be.

    Args:
        frames: Frame indices (C,), ascending, within 0..T-1.
        times: When each frame of the clip is shown, (T,) ascending, in s.

    Returns:
        (C,) int32, ascending, within 0..T-1; `frames` themselves if the rate is constant.
    """
    even = np.interp(frames, [0, max(1, len(times) - 1)], times[[0, -1]])
    after = np.searchsorted(times, even).clip(1, max(1, len(times) - 1))
    earlier = even - times[after - 1] <= times[after % len(times)] - even
    return np.asarray(np.where(earlier, after - 1, after), np.int32)


def sample_frames(count: int, columns: int, rule: SamplingRule = "interior") -> NDArray[np.int32]:
    """Frame index of each mosaic column.

    The paper defines tau by its interval T / L alone and leaves start and rounding open:

    - ``interior``: s = T // (L + 1), frames s, 2s, ..., Ls; as the published code counts them.
      With T <= L there is no such step: the frames of ``centre`` are taken, which shows every
      frame at least once.
    - ``centre``: middle of each of L equal parts, (2i + 1) T // (2L) for i = 0..L-1.
    - ``paper``: the formula read 0-based, i T // L for i = 1..L, the last clipped to T - 1.

    Args:
        count: Frames in the clip, T >= 1.
        columns: Columns of the mosaic, L >= 1.
        rule: Reading of tau.

    Returns:
        (L,) int32, sorted, within 0..T-1, all different when T > L.

    Raises:
        ParamsError: If `rule` is unknown.
        ValueError: If `count` or `columns` is below 1.
    """
    if rule not in get_args(SamplingRule):
        raise ParamsError(
            "SAMPLING_RULE",
            f"unknown sampling rule {rule!r}",
            remedy=f"use one of {', '.join(get_args(SamplingRule))}",
        )
    if count < 1 or columns < 1:
        raise ValueError(f"cannot sample {columns} of {count} frames")
    ordinal = np.arange(columns, dtype=np.int64)
    if rule == "paper":
        frames = np.minimum((ordinal + 1) * count // columns, count - 1)
    elif rule == "interior" and count > columns:
        frames = (ordinal + 1) * (count // (columns + 1))
    else:
        frames = (2 * ordinal + 1) * count // (2 * columns)
    return frames.astype(np.int32)


def sample_candidates(
    count: int, columns: int, candidates: int, rule: SamplingRule = "interior"
) -> NDArray[np.int32]:
    """Frame index of each candidate column, from which training draws (paper, section IV.B).

    Among them are the frames of `sample_frames`, at the places of `scored_columns`; the others
    divide the time before, between and behind those into equal parts, rounded down. A clip with
    fewer frames than candidates repeats frames.

    Args:
        count: Frames in the clip, T >= 1.
        columns: L, columns of the mosaic that is scored.
        candidates: C, columns that are cut: 0 for L, else at least L.
        rule: Reading of tau.

    Returns:
        (C,) int32, ascending, within 0..T-1.

    Raises:
        ParamsError: If `rule` is unknown.
        ValueError: If a number is out of its range.
    """
    scored = sample_frames(count, columns, rule)
    if not candidates:
        return scored
    if candidates < columns:
        raise ValueError(f"cannot take {columns} of {candidates} columns")
    places = np.concatenate([[-1], scored_columns(columns, candidates), [candidates]])
    frames = np.concatenate([[0], scored, [count]]).astype(np.int64)
    columns_cut = np.arange(candidates, dtype=np.int64)
    gap = np.searchsorted(places, columns_cut, side="right") - 1
    before, after = frames[gap], frames[gap + 1]
    part = (columns_cut - places[gap]) * (after - before) // (places[gap + 1] - places[gap])
    return np.asarray(before + part, np.int32)
