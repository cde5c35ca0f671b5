"""Two people who walk past each other, or meet and part, stay who they are."""

from __future__ import annotations

import numpy as np
import pytest
from passing import FPS, Way, estimated, passing, swaps

from stroi.stages.pose.estimators.movenet import MoveNet
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import track


@pytest.mark.parametrize("way", ["cross", "return"])
@pytest.mark.parametrize("seed", range(20))
def test_nobody_is_swapped_in_what_an_estimator_would_find(seed: int, way: Way) -> None:
    clip = passing(seed, way)
    tracks = track(estimated(clip, seed), fps=FPS)
    assert swaps(tracks, clip.joints) == 0
    keypoints, count = main_persons(tracks)
    assert count == 2
    assert swaps(keypoints.swapaxes(0, 1), clip.joints) == 0


@pytest.mark.parametrize(("seed", "way"), [(0, "cross"), (1, "cross"), (2, "return")])
def test_nobody_is_swapped_in_rendered_frames(seed: int, way: Way) -> None:
    """Through the real estimator; benchmarks/identities.py does so with 20 of each."""
    clip = passing(seed, way)
    estimator = MoveNet()
    tracks = track([estimator(picture) for picture in clip.pictures()], fps=FPS)
    assert swaps(tracks, clip.joints) == 0
    assert main_persons(tracks)[1] == 2


def test_the_two_really_swap_sides_or_keep_them() -> None:
    for seed in range(20):
        for way, ends in (("cross", -1), ("return", 1)):
            hips = passing(seed, way).joints[[0, -1], :, 8, 0]
            assert np.sign(hips[0, 1] - hips[0, 0]) == 1
            assert np.sign(hips[1, 1] - hips[1, 0]) == ends


def test_a_swap_is_counted() -> None:
    joints = passing(0).joints
    right = joints.swapaxes(0, 1)
    assert swaps(right, joints) == 0
    wrong = right.copy()
    wrong[:, len(joints) // 2 :] = right[::-1, len(joints) // 2 :]
    assert swaps(wrong, joints) == 2
