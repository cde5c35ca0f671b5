"""Which frames a mosaic shows, against the formulas written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError
from stroi.stages.video.frame_sampling import (
    SamplingRule,
    nearest_in_time,
    sample_candidates,
    sample_frames,
)

lengths = st.integers(1, 5000)
columns_drawn = st.integers(1, 12)
rules: st.SearchStrategy[SamplingRule] = st.sampled_from(["interior", "centre", "paper"])


def counted(frames: int, columns: int) -> list[int]:
    """Frames s, 2s, ... met while counting through the clip, as the published code does."""
    step = frames // (columns + 1)
    met = [frame for frame in range(frames) if frame != 0 and frame % step == 0]
    return met[:columns]


def middles(frames: int, columns: int) -> list[int]:
    """The frame that holds the middle of each part, a frame being one unit of time long."""
    return [int((part + 0.5) * frames / columns) for part in range(columns)]


def ends(frames: int, columns: int) -> list[int]:
    return [min(int(i * (frames / columns) + 1e-9), frames - 1) for i in range(1, columns + 1)]


ORACLES: dict[SamplingRule, Callable[[int, int], list[int]]] = {
    "interior": lambda t, c: counted(t, c) if t > c else middles(t, c),
    "centre": middles,
    "paper": ends,
}


@given(frames=st.integers(1, 400), columns=columns_drawn, rule=rules)
def test_every_rule_is_its_formula(frames: int, columns: int, rule: SamplingRule) -> None:
    assert sample_frames(frames, columns, rule).tolist() == ORACLES[rule](frames, columns)


@given(frames=lengths, columns=columns_drawn, rule=rules)
def test_frames_are_sorted_and_in_range(frames: int, columns: int, rule: SamplingRule) -> None:
    found = sample_frames(frames, columns, rule)
    assert (found.shape, found.dtype) == ((columns,), np.int32)
    assert found[0] >= 0
    assert found[-1] < frames
    assert (np.diff(found) >= 0).all()
    if frames > columns:
        assert (np.diff(found) > 0).all()


@given(columns=columns_drawn, data=st.data())
def test_short_clip_repeats_frames_and_drops_none(columns: int, data: st.DataObject) -> None:
    frames = data.draw(st.integers(1, columns))
    assert set(sample_frames(frames, columns).tolist()) == set(range(frames))


@pytest.mark.parametrize(
    ("frames", "rule", "expected"),
    [
        (90, "interior", [15, 30, 45, 60, 75]),
        (11, "interior", [1, 2, 3, 4, 5]),
        (6, "interior", [1, 2, 3, 4, 5]),
        (5, "interior", [0, 1, 2, 3, 4]),
        (3, "interior", [0, 0, 1, 2, 2]),
        (1, "interior", [0, 0, 0, 0, 0]),
        (90, "centre", [9, 27, 45, 63, 81]),
        (90, "paper", [18, 36, 54, 72, 89]),
        (3, "paper", [0, 1, 1, 2, 2]),
    ],
)
def test_known_cases(frames: int, rule: SamplingRule, expected: list[int]) -> None:
    assert sample_frames(frames, 5, rule).tolist() == expected


def test_refusals() -> None:
    with pytest.raises(ParamsError, match="unknown sampling rule 'random'; use one of interior"):
        sample_frames(90, 5, "random")  # type: ignore[arg-type]
    for frames, columns in ((0, 5), (90, 0)):
        with pytest.raises(ValueError, match=f"cannot sample {columns} of {frames} frames"):
            sample_frames(frames, columns)


def between(frames: list[int], places: list[int], count: int, wanted: int) -> list[int]:
    """Frames on the straight lines from one scored column to the next, by counting."""
    knots = {-1: 0, **dict(zip(places, frames, strict=True)), wanted: count}
    found = []
    for column in range(wanted):
        low = max(place for place in knots if place <= column)
        high = min(place for place in knots if place > column)
        share = Fraction(column - low, high - low)
        found.append(math.floor(knots[low] + share * (knots[high] - knots[low])))
    return found


@given(lengths, columns_drawn, st.integers(0, 50), rules)
def test_candidates_hold_the_scored_frames_and_frames_between(
    frames: int, columns: int, more: int, rule: SamplingRule
) -> None:
    candidates = columns + more
    got = sample_candidates(frames, columns, candidates, rule).tolist()
    scored = sample_frames(frames, columns, rule).tolist()
    places = [i + (i + 1) * more // (columns + 1) for i in range(columns)]
    assert [got[place] for place in places] == scored
    assert got == between(scored, places, frames, candidates)
    assert got == sorted(got)
    assert 0 <= got[0] <= got[-1] <= frames - 1


def test_candidates_of_a_known_clip() -> None:
    assert sample_candidates(90, 5, 0).tolist() == [15, 30, 45, 60, 75]
    assert sample_candidates(90, 5, 5).tolist() == [15, 30, 45, 60, 75]
    assert sample_candidates(90, 5, 11).tolist() == [7, 15, 22, 30, 37, 45, 52, 60, 67, 75, 82]
    assert sample_candidates(90, 5, 17)[2::3].tolist() == [15, 30, 45, 60, 75]
    assert sample_candidates(1, 5, 17).tolist() == [0] * 17
    with pytest.raises(ValueError, match="cannot take 5 of 4 columns"):
        sample_candidates(90, 5, 4)


@given(frames=lengths, columns=columns_drawn, rule=rules, rate=st.floats(5, 240))
def test_by_time_a_constant_rate_changes_nothing(
    frames: int, columns: int, rule: SamplingRule, rate: float
) -> None:
    by_number = sample_frames(frames, columns, rule)
    # Matroska counts milliseconds.
    times = np.round(np.arange(frames) / rate, 3) + 7
    np.testing.assert_array_equal(nearest_in_time(by_number, times), by_number)


@given(gaps=st.lists(st.integers(1, 40), max_size=60), columns=columns_drawn, rule=rules)
def test_by_time_the_nearest_frames_are_taken(
    gaps: list[int], columns: int, rule: SamplingRule
) -> None:
    times = [sum(gaps[:number]) for number in range(len(gaps) + 1)]
    by_number = sample_frames(len(times), columns, rule)
    found = nearest_in_time(by_number, np.array(times, np.float64))
    assert (found.shape, found.dtype) == ((columns,), np.int32)
    for frame, taken in zip(by_number.tolist(), found.tolist(), strict=True):
        moment = Fraction(times[-1] * frame, max(1, len(times) - 1))
        off = [abs(time - moment) for time in times]
        assert float(off[taken]) == pytest.approx(float(min(off)), abs=1e-9)
