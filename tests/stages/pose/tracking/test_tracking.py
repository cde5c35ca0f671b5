"""Identity over time: order of finding, gaps, crossings, late comers."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walkers import detections, owners, person, walk

from stroi.stages.pose.tracking.tracking import track

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, count=st.integers(1, 6), ghosts=st.integers(0, 2))
def test_order_of_people_within_a_frame_changes_nothing(seed: int, count: int, ghosts: int) -> None:
    """To the last bit, also while people cross, vanish, and ghosts come and go."""
    rng = np.random.default_rng(seed)
    starts, speeds = rng.uniform(50, 550, count), rng.uniform(-8, 8, count)
    steps = np.arange(40)
    people = [walk(starts[i] + speeds[i] * steps, seed=seed + i) for i in range(count)]
    found = [
        np.concatenate([poses, *(person(*rng.uniform(0, 600, 2))[None] for _ in range(ghosts))])
        for poses in detections(*people, gone=rng.random((count, 40)) < 0.2)
    ]
    shuffled = [poses[rng.permutation(len(poses))] for poses in found]
    np.testing.assert_array_equal(track(shuffled), track(found))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, count=st.integers(2, 4))
def test_losing_a_fifth_of_the_detections_changes_no_identity(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    steps = np.arange(60)
    speeds = rng.uniform(-0.8, 0.8, count)
    people = [walk(100 + 150 * i + speeds[i] * steps, seed=seed + i) for i in range(count)]
    gone = rng.random((count, 60)) < 0.2
    tracks = track(detections(*people, gone=gone))
    assert sorted(map(sorted, owners(tracks, *people))) == [[i] for i in range(count)]
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


@pytest.mark.parametrize(("fps", "memory"), [(30, 30), (60, 60), (15, 15), (0, 30), (1e6, 30)])
def test_someone_unseen_for_longer_than_a_second_is_a_new_identity(fps: float, memory: int) -> None:
    still = walk(np.full(120, 200.0), seed=1)
    for absent, count in ((memory - 1, 1), (memory, 2)):
        gone = np.zeros((1, 120), np.bool_)
        gone[0, 20 : 20 + absent] = True
        assert len(track(detections(still, gone=gone), fps=fps)) == count


def test_somebody_seen_once_is_soon_forgotten() -> None:
    """Else a ghost would take over whoever comes to its place."""
    still = walk(np.full(60, 200.0), seed=1)
    for absent, count in ((9, 1), (10, 2)):
        gone = np.zeros((1, 60), np.bool_)
        gone[0, 1 : 1 + absent] = True
        assert len(track(detections(still, gone=gone))) == count


def test_a_flood_of_ghosts_costs_neither_much_memory_nor_a_track() -> None:
    rng = np.random.default_rng(0)
    real = walk(100.0 + np.arange(200), seed=1)
    flood = [
        np.concatenate([people, [person(*rng.uniform(0, 2000, 2)) for _ in range(5)]])
        for people in detections(real)
    ]
    tracks = track([people.astype(np.float32) for people in flood])
    assert len(tracks) <= 64
    assert any(np.array_equal(one, real) for one in tracks)


def test_six_people_and_a_thousand_frames_take_little_time_and_memory() -> None:
    steps = np.arange(1000)
    paths = [320 + 250 * np.sin(steps / 40 + 1.1 * number) for number in range(6)]
    people = [walk(path, seed=number, y=200 + 5 * number) for number, path in enumerate(paths)]
    found = detections(*people, gone=np.random.default_rng(0).random((6, 1000)) < 0.2)
    tracemalloc.start()
    begin = time.process_time()
    tracks = track(found)
    seconds, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(tracks) == 6
    assert peak < 5 * tracks.nbytes + 2**20
    assert seconds < 10


def test_nobody_and_nothing() -> None:
    assert track([]).shape == (0, 0, 25, 3)
    assert track([np.zeros((0, 25, 3), np.float32)] * 4).shape == (0, 4, 25, 3)
    assert track([np.zeros((2, 25, 3), np.float32)] * 4).shape == (0, 4, 25, 3)


def test_two_in_one_place_are_two() -> None:
    twins = np.stack([person(200), person(200)])
    assert track([twins, twins]).shape == (2, 2, 25, 3)
