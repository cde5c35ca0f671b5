"""After an encounter sizes tell who is who."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walkers import Pose, walk

from stroi.stages.pose.tracking.swap_correction import correct_swaps

FRAMES, MEET = 60, 30


def crossing(*, ratio: float, seed: int = 1) -> Pose:
    """Two who pass at frame 30, person 0 `ratio` times as large: (2, T, 25, 3)."""
    away = 5.0 * (np.arange(FRAMES) - MEET)
    return np.stack(
        [walk(300 + away, seed=seed, size=ratio), walk(300 - away, seed=seed + 1, y=203)]
    )


def swapped(people: Pose, at: int) -> Pose:
    tracks = people.copy()
    tracks[:, at:] = people[::-1, at:]
    return tracks


@pytest.mark.parametrize("ratio", [0.8, 0.9, 1.1, 1.3])
def test_swap_that_sizes_betray_is_undone_where_they_met(ratio: float) -> None:
    people = crossing(ratio=ratio)
    np.testing.assert_array_equal(correct_swaps(people), people)
    settled = correct_swaps(swapped(people, MEET))
    changed = (settled != people).any(axis=(0, 2, 3))
    assert not changed[: MEET - 3].any()
    assert not changed[MEET + 3 :].any()


@pytest.mark.parametrize("ratio", [0.97, 1.0, 1.03])
def test_people_of_one_size_stay_as_the_motion_had_them(ratio: float) -> None:
    for tracks in (crossing(ratio=ratio), swapped(crossing(ratio=ratio), MEET)):
        np.testing.assert_array_equal(correct_swaps(tracks), tracks)


def test_who_was_hidden_comes_out_as_before() -> None:
    people = crossing(ratio=1.2)
    tracks = swapped(people, MEET + 4)
    tracks[1, MEET - 4 : MEET + 4] = 0
    settled = correct_swaps(tracks)
    np.testing.assert_array_equal(settled[0], people[0])
    np.testing.assert_array_equal(settled[1, : MEET - 4], people[1, : MEET - 4])
    np.testing.assert_array_equal(settled[1, MEET + 4 :], people[1, MEET + 4 :])


def test_somebody_who_is_out_of_sight_far_away_has_met_nobody() -> None:
    steps = np.arange(FRAMES)
    tracks = np.stack([walk(100.0 + steps, seed=1, size=1.3), walk(500.0 - steps, seed=2)])
    tracks[1, 20:30] = 0
    other = tracks.copy()
    other[:, 30:] = tracks[::-1, 30:]
    np.testing.assert_array_equal(correct_swaps(other), other)


@pytest.mark.parametrize(("frames", "undone"), [(2, False), (3, True)])
def test_too_short_a_sight_says_nothing(frames: int, undone: bool) -> None:
    people = crossing(ratio=1.3)
    people[1, : MEET - 10 - frames] = 0
    people[1, MEET - 10 : MEET + 3] = 0
    tracks = swapped(people, MEET + 3)
    np.testing.assert_array_equal(correct_swaps(tracks), people if undone else tracks)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ratio=st.floats(0.7, 1.4))
def test_the_order_of_tracks_changes_nothing(seed: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    tracks = swapped(crossing(ratio=ratio, seed=seed % 1000), MEET)
    tracks[1][rng.random(FRAMES) < 0.2] = 0
    np.testing.assert_array_equal(correct_swaps(tracks)[::-1], correct_swaps(tracks[::-1].copy()))


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_and_one_meet_nobody(count: int) -> None:
    tracks = crossing(ratio=1.3)[:count]
    np.testing.assert_array_equal(correct_swaps(tracks), tracks)
