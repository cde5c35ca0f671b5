"""Object keypoint similarity against the formula read joint by joint."""

from __future__ import annotations

import math

import numpy as np
import pytest
from walkers import Pose, person

from stroi.cache.layouts import BODY_25
from stroi.stages.pose.tracking.oks import SIGMAS, areas, oks


def by_hand(one: Pose, other: Pose, sigma: dict[str, float]) -> float:
    def area(pose: Pose) -> float:
        xs = [x for x, _, c in pose.tolist() if c > 0]
        ys = [y for _, y, c in pose.tolist() if c > 0]
        return (max(xs) - min(xs)) * (max(ys) - min(ys))

    scale = max(area(one), area(other))
    terms = []
    for name, a, b in zip(BODY_25.joints, one.tolist(), other.tolist(), strict=True):
        if a[2] > 0 and b[2] > 0:
            spread = 2 * next(value for part, value in sigma.items() if part in name)
            squared = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
            terms.append(math.exp(-squared / (2 * scale * spread**2)))
    return sum(terms) / len(terms)


COCO = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072,
    "wrist": 0.062, "mid_hip": 0.107, "hip": 0.107, "knee": 0.087, "ankle": 0.089,
    "neck": 0.079, "toe": 0.089, "heel": 0.089,
}  # fmt: skip


def test_oks_is_the_formula() -> None:
    rng = np.random.default_rng(3)
    crowd = np.stack([person(100, size=1.3), person(108), person(190, 230, size=0.7)])
    crowd[..., :2] += rng.normal(0, 6, crowd[..., :2].shape)
    crowd[1, 4] = crowd[2, 11:15] = 0
    found = oks(crowd, crowd[::-1])
    expected = [[by_hand(a, b, COCO) for b in crowd[::-1]] for a in crowd]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_same_pose_is_fully_alike_and_a_far_one_not_at_all() -> None:
    near, far = person(100)[None], person(400)[None]
    assert oks(near, near) == pytest.approx(1)
    assert oks(near, far) == pytest.approx(0, abs=1e-6)


def test_two_shared_joints_say_nothing() -> None:
    scrap = person(100)
    scrap[2:] = 0
    assert oks(scrap[None], person(100)[None]) == 0


def test_area_is_the_box_of_the_joints_found() -> None:
    pose = np.zeros((1, 25, 3), np.float32)
    pose[0, 3], pose[0, 7] = (10, 20, 0.5), (40, 80, 0.5)
    assert areas(pose) == 1800
    assert areas(np.zeros((1, 25, 3), np.float32)) == 1


def test_every_joint_has_its_spread() -> None:
    assert SIGMAS.shape == (25,)
    assert SIGMAS[BODY_25.index("left_wrist")] == SIGMAS[BODY_25.index("right_wrist")] == 0.062
