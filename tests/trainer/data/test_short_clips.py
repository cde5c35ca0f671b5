"""Clips of fewer frames than anything wants, down to one, are clips like any other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_inputs import CLASSES, clip
from trainings import gcn_trained

from stroi.cache.layouts import KINECT_V1
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.config import GcnConfig, Schedule
from stroi.trainer.data.skeleton_input import prepare
from stroi.trainer.score_gcn import compute_weights, score_gcn

SMALL = GcnConfig(frames=8, channels=(4, 6), strides=(1, 2), temporal_kernel=3)
ONCE = Schedule(epochs=1, batch_size=4, lr=0.05, milestones=())


def sensed(frames: int, seed: int = 0) -> JointClip:
    """One person of a Kinect v1."""
    random = np.random.default_rng(seed)
    position = np.zeros((frames, 2, 20, 3), np.float32)
    position[:, 0] = random.normal((0, 0, 3), 0.3, (frames, 20, 3))
    state = np.where(position.any(axis=3), 2, 0).astype(np.uint8)
    return JointClip(position, state, 1, KINECT_V1, 0.0)


def of_frames(each: Clip | JointClip, index: list[int]) -> Clip | JointClip:
    if isinstance(each, JointClip):
        return JointClip(each.position[index], each.state[index], 1, each.layout, each.fps)
    return Clip(each.keypoints[index], each.person_count, each.width, each.height, each.fps)


@settings(derandomize=True)
@given(st.integers(1, 40), st.integers(2, 9), st.booleans())
def test_one_frame_is_that_frame_for_as_long_as_wanted(
    wanted: int, repeats: int, sensor: bool
) -> None:
    whole = sensed(3) if sensor else clip(1, frames=3)
    once, often = (prepare(of_frames(whole, [1] * n), frames=wanted) for n in (1, repeats))
    assert once.shape[1] == wanted
    np.testing.assert_array_equal(once, np.repeat(once[:, :1], wanted, axis=1))
    np.testing.assert_allclose(once, often, rtol=1e-5, atol=1e-6)
    assert once[0].any()


@pytest.mark.parametrize("sensor", [True, False])
def test_short_clips_train_score_and_have_weights(sensor: bool) -> None:
    lengths = {f"clip{frames}": frames for frames in (1, 2, 3, 4, 6)}
    clips = {
        name: sensed(frames, frames) if sensor else clip(frames, frames=frames)
        for name, frames in lengths.items()
    }
    labels = {name: frames % 2 for name, frames in lengths.items()}
    model = gcn_trained(clips, labels, CLASSES, config=SMALL, schedule=ONCE, seed=0)
    assert np.isfinite(score_gcn(model, clips, list(clips)).logits).all()
    weights = compute_weights(model, clips, list(clips))[0]
    assert weights.ids == tuple(sorted(lengths))
    np.testing.assert_allclose(weights.row_weights[:, 0].mean(axis=1), 1, rtol=1e-5)
