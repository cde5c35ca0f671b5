"""The shipped estimator sees the rendered people, and sees the same in both members of a pair."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.cache.rois import row_joints
from stroi.stages.demo.clips import OBJECT_PAIRS, PAIRS, DemoClip, plan_demo
from stroi.stages.demo.render import draw_frames, known_joints
from stroi.stages.pose.estimators.movenet import MoveNet

CLIPS = {clip.sample_id: clip for clip in plan_demo(seed=0)}
ROWS = [joint for (joint,) in row_joints()]


@cache
def estimator() -> MoveNet:
    cv2.setNumThreads(1)
    return MoveNet()


def found(clip: DemoClip) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Estimated and known rows (5 frames, P, K, 3) at the mosaic's frames, and surplus people.

    Of the people found, the one with the nearest head is taken for every known person.
    """
    pictures, joints = list(draw_frames(clip)), known_joints(clip)
    step, people = len(pictures) // 6, joints.person_count
    estimated, known, surplus = [], [], 0
    for number in range(step, 6 * step, step):
        seen = estimator()(pictures[number])[:, ROWS]
        true = joints.keypoints[number, :people][:, ROWS]
        away = np.linalg.norm(seen[None, :, 0, :2] - true[:, None, 0, :2], axis=-1)
        estimated.append(seen[away.argmin(axis=1)])
        known.append(true)
        surplus += len(seen) - people
    return np.array(estimated, np.float32), np.array(known, np.float32), surplus


@pytest.mark.parametrize("camera", ["c1", pytest.param("c2", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("pair", PAIRS)
def test_the_estimator_finds_everybody_at_their_joints(pair: str, camera: str) -> None:
    hits, surplus = [], 0
    for subject in ("s02", "s08"):
        estimated, known, more = found(CLIPS[f"{PAIRS[pair][0]}_{subject}_{camera}"])
        surplus += more
        height = 1.09 * (known[..., 3:, 1].max(axis=-1) - known[..., 0, 1])
        away = np.linalg.norm(estimated[..., :2] - known[..., :2], axis=-1)
        hits.append((away < 0.1 * height[..., None]) & (estimated[..., 2] > 0))
    assert np.mean(hits) >= 0.95
    assert surplus == 0


@pytest.mark.parametrize("pair", OBJECT_PAIRS)
def test_the_estimate_does_not_give_the_object_away(pair: str) -> None:
    shift = []
    for subject in ("s01", "s04"):
        one, other = (found(CLIPS[f"{label}_{subject}_c1"])[0] for label in PAIRS[pair])
        both = (one[..., 2] > 0) & (other[..., 2] > 0)
        shift.append(np.where(both[..., None], one - other, 0)[..., :2].mean(axis=(0, 1)))
    # Figures are about 180 px tall: 4 px is a fifth of the PCK@0.1 radius.
    assert np.abs(np.mean(shift, axis=0)).max() < 4
