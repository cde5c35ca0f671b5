"""Identity over time: order of finding, gaps, crossings, late comers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.stages.pose.tracking import track

sys.path.insert(0, str(Path(__file__).parent))
from walkers import detections, owners, person, walk

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_order_of_people_within_a_frame_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts, speeds = rng.uniform(50, 550, 3), rng.uniform(-4, 4, 3)
    steps = np.arange(25)
    people = [walk(starts[i] + speeds[i] * steps, seed=seed + i) for i in range(3)]
    found = detections(*people, gone=rng.random((3, 25)) < 0.2)
    shuffled = [poses[rng.permutation(len(poses))] for poses in found]
    np.testing.assert_array_equal(track(shuffled), track(found))


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_losing_a_fifth_of_the_detections_changes_no_identity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = np.arange(60)
    left = walk(80 + rng.uniform(0, 2) * steps, seed=seed)
    right = walk(300 + rng.uniform(-1, 3) * steps, seed=seed + 1)
    gone = rng.random((2, 60)) < 0.2
    tracks = track(detections(left, right, gone=gone))
    assert sorted(map(sorted, owners(tracks, left, right))) == [[0], [1]]
    assert (tracks[..., 2] > 0).any(axis=2).sum() == (~gone).sum()


@pytest.mark.parametrize("merged", [0, 6, 12])
@pytest.mark.parametrize("speed", [1.0, 2.0, 4.0, 8.0])
def test_two_who_cross_keep_their_identities(speed: float, merged: int) -> None:
    """While they pass, only the nearer one is found for `merged` frames."""
    steps = np.arange(60)
    left = walk(300 + speed * (steps - 30), seed=1)
    right = walk(300 - speed * (steps - 30), seed=2, y=203)
    gone = np.zeros((2, 60), np.bool_)
    gone[1, 30 - merged // 2 : 30 + merged // 2] = True
    tracks = track(detections(left, right, gone=gone))
    assert owners(tracks, left, right) == [{0}, {1}]


def test_late_comer_is_a_new_identity() -> None:
    steps = np.arange(80.0)
    first, late = walk(100 + steps, seed=1), walk(500 - steps, seed=2)
    gone = np.zeros((2, 80), np.bool_)
    gone[1, :40] = True
    tracks = track(detections(first, late, gone=gone))
    assert owners(tracks, first, late) == [{0}, {1}]
    assert not tracks[1, :40].any()
    assert tracks[1, 40:].any(axis=(1, 2)).all()


def test_someone_unseen_for_longer_than_memory_is_a_new_identity() -> None:
    still = walk(np.full(90, 200.0), seed=1)
    for absent, count in ((29, 1), (30, 2)):
        gone = np.zeros((1, 90), np.bool_)
        gone[0, 20 : 20 + absent] = True
        assert len(track(detections(still, gone=gone))) == count


def test_nobody_and_nothing() -> None:
    assert track([]).shape == (0, 0, 25, 3)
    assert track([np.zeros((0, 25, 3), np.float32)] * 4).shape == (0, 4, 25, 3)
    assert track([np.zeros((2, 25, 3), np.float32)] * 4).shape == (0, 4, 25, 3)


def test_two_in_one_place_are_two() -> None:
    twins = np.stack([person(200), person(200)])
    assert track([twins, twins]).shape == (2, 2, 25, 3)
