"""Clips become network input without coordinates that nobody saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_inputs import clip

from stroi.cache.errors import StroiError
from stroi.cache.layouts import KINECT_V1
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.data.skeleton_input import prepare, prepare_all, resample, to_length


def test_linear_in_time_between_seen_points() -> None:
    keypoints = np.zeros((3, 1, 1, 3), np.float32)
    keypoints[:, 0, 0] = [(0, 0, 1), (10, 20, 0.5), (20, 0, 1)]
    got = resample(keypoints, 5)[:, 0, 0]
    np.testing.assert_allclose(
        got, [(0, 0, 1), (5, 10, 0.75), (10, 20, 0.5), (15, 10, 0.75), (20, 0, 1)]
    )


def test_nothing_is_drawn_towards_an_absent_point() -> None:
    keypoints = np.zeros((2, 1, 1, 3), np.float32)
    keypoints[1, 0, 0] = (100, 200, 0.8)
    got = resample(keypoints, 5)[:, 0, 0]
    np.testing.assert_array_equal(got[:2], np.zeros((2, 3)))
    np.testing.assert_array_equal(got[2:], np.tile(np.float32([100, 200, 0.8]), (3, 1)))


@given(frames=st.integers(1, 20), wanted=st.integers(1, 40), seed=st.integers(0, 99))
def test_resampled_points_lie_between_seen_ones(frames: int, wanted: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    keypoints = random.uniform(50, 60, (frames, 1, 3, 3)).astype(np.float32)
    keypoints[random.random((frames, 1, 3)) < 0.4] = 0
    got = resample(keypoints, wanted)
    seen = got[..., 2] > 0
    assert got.shape == (wanted, 1, 3, 3)
    assert (got[seen] >= 50 - 1e-4).all()
    assert (got[~seen] == 0).all()


def test_same_length_is_left_alone() -> None:
    keypoints = clip(0).keypoints
    np.testing.assert_array_equal(resample(keypoints, len(keypoints)), keypoints)


def test_centre_and_scale_by_hand() -> None:
    keypoints = np.zeros((1, 2, 25, 3), np.float32)
    keypoints[0, 0, 8], keypoints[0, 0, 1] = (100, 200, 1), (100, 150, 1)
    keypoints[0, 0, 4] = (150, 175, 0.5)
    got = prepare(Clip(keypoints, 1, 320, 240, 25.0), frames=3)
    assert got.shape == (2, 3, 25, 3)
    np.testing.assert_allclose(got[0, :, 8], [(0, 0, 1)] * 3)
    np.testing.assert_allclose(got[0, :, 1], [(0, -1, 1)] * 3)
    np.testing.assert_allclose(got[0, :, 4], [(1, -0.5, 0.5)] * 3)
    assert not got[1].any()


def test_two_persons_keep_their_distance() -> None:
    got = prepare(clip(1, persons=2), frames=14)
    between = np.median(got[1, :, 8, 0]) - np.median(got[0, :, 8, 0])
    assert between == pytest.approx(200 / 60, abs=0.05)


@settings(max_examples=20)
@given(
    right=st.floats(-500, 500), down=st.floats(-500, 500), scale=st.floats(0.2, 5),
    persons=st.integers(1, 2),
)  # fmt: skip
def test_place_and_size_in_the_frame_do_not_matter(
    right: float, down: float, scale: float, persons: int
) -> None:
    one = clip(2, persons=persons)
    moved = one.keypoints.copy()
    seen = moved[..., 2] > 0
    moved[seen, :2] = moved[seen, :2] * scale + np.float32([right, down])
    np.testing.assert_allclose(
        prepare(replace(one, keypoints=moved), frames=10), prepare(one, frames=10), atol=2e-3
    )


def test_outliers_of_the_centre_do_not_move_the_clip() -> None:
    one = clip(3)
    broken = one.keypoints.copy()
    broken[:3, 0, 8, :2] = 5000
    got = prepare(replace(one, keypoints=broken), frames=14)
    np.testing.assert_allclose(got[0, 5:], prepare(one, frames=14)[0, 5:], atol=1e-4)


@pytest.mark.parametrize("hidden", [[8], [1], [1, 8]])
def test_a_hidden_torso_still_gives_finite_input(hidden: list[int]) -> None:
    one = clip(4)
    one.keypoints[:, :, hidden] = 0
    got = prepare(one, frames=14)
    assert np.isfinite(got).all()
    assert not got[:, :, hidden].any()
    assert 0.2 < np.abs(got[0, ..., :2]).max() < 20


def test_one_joint_in_one_frame_is_enough() -> None:
    keypoints = np.zeros((1, 2, 25, 3), np.float32)
    keypoints[0, 0, 4] = (50, 60, 0.9)
    got = prepare(Clip(keypoints, 1, 320, 240, 0.0), frames=4)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[0, :, 4], [(0, 0, 0.9)] * 4)


def test_set_is_sorted_and_knows_who_is_there() -> None:
    data = prepare_all({"b": clip(0, persons=2), "a": clip(1)}, ["b", "a"], frames=8)
    assert data.ids == ("a", "b")
    assert data.present.tolist() == [[True, False], [True, True]]
    np.testing.assert_array_equal(data.x[0], prepare(clip(1), frames=8))


def test_a_clip_of_nobody_is_named() -> None:
    empty = Clip(np.zeros((5, 2, 25, 3), np.float32), 1, 320, 240, 25.0)
    with pytest.raises(
        StroiError, match="CLIP_EMPTY: clip a2: no person has a single joint; leave"
    ):
        prepare_all({"a1": clip(0), "a2": empty}, ["a1", "a2"], frames=8)


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1, 12), wanted=st.integers(1, 20))
def test_a_clip_is_played_again_or_followed_by_nothing(frames: int, wanted: int) -> None:
    keypoints = clip(0, frames=frames).keypoints
    again, padded = (to_length(keypoints, wanted, fill) for fill in ("repeat", "pad"))
    assert len(again) == len(padded) == wanted
    if frames >= wanted:
        stretched = resample(keypoints, wanted)
        np.testing.assert_array_equal(again, stretched)
        np.testing.assert_array_equal(padded, stretched)
        return
    for t in range(wanted):
        np.testing.assert_array_equal(again[t], keypoints[t % frames])
        np.testing.assert_array_equal(padded[t], keypoints[t] if t < frames else 0)


def test_fill_reaches_both_kinds_of_clip_and_stretch_is_the_default() -> None:
    one = clip(0)
    np.testing.assert_array_equal(prepare(one, frames=20), prepare(one, frames=20, fill="stretch"))
    assert not prepare(one, frames=20, fill="pad")[:, 14:].any()
    position = np.random.default_rng(0).normal(0, 1, (5, 2, 20, 3)).astype(np.float32)
    seen = JointClip(position, np.full((5, 2, 20), 2, np.uint8), 2, KINECT_V1, 30.0)
    got = prepare(seen, frames=12, fill="repeat")
    np.testing.assert_array_equal(got[:, 5:10], got[:, :5])


def test_a_joint_at_the_origin_is_not_taken_for_absent() -> None:
    position = np.random.default_rng(0).normal(0, 1, (5, 2, 20, 3)).astype(np.float32)
    state = np.full((5, 2, 20), 2, np.uint8)
    state[:, :, 7] = 0
    got = prepare(JointClip(position, state, 2, KINECT_V1, 30.0), frames=5)
    centre = KINECT_V1.index(KINECT_V1.centre)
    assert (got != 0).any(-1)[:, :, [j for j in range(20) if j != 7]].all()
    np.testing.assert_allclose(got[0, 0, centre], 0, atol=2e-6)
    assert not got[:, :, 7].any()
