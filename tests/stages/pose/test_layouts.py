"""Joint layouts, joint by joint name."""

from __future__ import annotations

import numpy as np
import pytest

from stroi.cache.layouts import BODY_25, COCO_17, Layout
from stroi.cache.rois import PAPER, row_joints
from stroi.stages.pose.layouts import BODY_25B, COCO_18, HALPE_26, to_body25

NUMBERS = {
    0: 0, 15: 2, 16: 1, 17: 4, 18: 3, 2: 6, 5: 5, 3: 8, 6: 7, 4: 10, 7: 9,
    9: 12, 12: 11, 10: 14, 13: 13, 11: 16, 14: 15,
}  # fmt: skip
"""BODY_25 index to COCO-17 index, written down by hand from both lists."""

BY_NUMBER: dict[str, tuple[Layout, dict[int, int]]] = {
    "coco18": (
        COCO_18,
        {
            0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 9: 8, 10: 9, 11: 10, 12: 11, 13: 12,
            14: 13, 15: 14, 16: 15, 17: 16, 18: 17,
        },
    ),
    "body25b": (
        BODY_25B,
        {
            **NUMBERS, 19: 19, 20: 20, 21: 21, 22: 22, 23: 23, 24: 24,
        },
    ),
    "halpe26": (
        HALPE_26,
        {
            **NUMBERS, 19: 20, 20: 22, 21: 24, 22: 21, 23: 23, 24: 25,
        },
    ),
}  # fmt: skip
"""The same for the other layouts: layout, BODY_25 index to its index."""


def everyone() -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    rng = np.random.default_rng(0)
    return rng.uniform(0.2, 1, (4, 17, 3)).astype(np.float32)


def test_joints_keep_their_names() -> None:
    source = everyone()
    people = to_body25(source, COCO_17)
    for name in COCO_17.joints:
        np.testing.assert_array_equal(
            people[:, BODY_25.index(name)], source[:, COCO_17.index(name)], err_msg=name
        )


def test_joints_stand_at_the_numbers_of_both_formats() -> None:
    source = everyone()
    people = to_body25(source, COCO_17)
    for target, origin in NUMBERS.items():
        np.testing.assert_array_equal(people[:, target], source[:, origin])
    assert not people[:, 19:].any()


@pytest.mark.parametrize("name", BY_NUMBER)
def test_other_layouts_stand_at_their_numbers(name: str) -> None:
    layout, numbers = BY_NUMBER[name]
    assert layout.name == name
    source = np.random.default_rng(1).uniform(0.2, 1, (3, len(layout.joints), 3))
    people = to_body25(source.astype(np.float32), layout)
    for target, origin in numbers.items():
        np.testing.assert_array_equal(people[:, target], source[:, origin].astype(np.float32))
    made = {1, 8} - set(numbers)
    assert all(people[:, joint].any() for joint in made)
    assert not people[:, sorted(set(range(25)) - set(numbers) - made)].any()


def test_middles_use_shoulders_and_hips_not_another_neck() -> None:
    source = np.zeros((1, 25, 3), np.float32)
    source[0, [5, 6, 11, 12, 17]] = [(4, 0, 1), (2, 0, 1), (4, 8, 1), (2, 8, 0.5), (9, 9, 1)]
    people = to_body25(source, BODY_25B)
    np.testing.assert_allclose(people[0, [1, 8]], [(3, 0, 1), (3, 8, 0.5)])


def test_neck_and_mid_hip_are_half_way_with_the_smaller_confidence() -> None:
    source = np.zeros((1, 17, 3), np.float32)
    source[0, 5:7] = [(10, 20, 0.9), (30, 40, 0.3)]
    source[0, 11:13] = [(0, 100, 0.5), (20, 110, 0.6)]
    people = to_body25(source, COCO_17)
    np.testing.assert_allclose(people[0, 1], (20, 30, 0.3))
    np.testing.assert_allclose(people[0, 8], (10, 105, 0.5))


@pytest.mark.parametrize("absent", [5, 6])
def test_neck_is_absent_if_either_shoulder_is(absent: int) -> None:
    source = everyone()
    source[:, absent] = 0
    assert not to_body25(source, COCO_17)[:, 1].any()


def test_joint_without_confidence_is_all_zero() -> None:
    source = everyone()
    source[0, 9, 2] = 0
    assert not to_body25(source, COCO_17)[0, BODY_25.index("left_wrist")].any()


def test_mosaic_rows_are_the_persons_own_sides() -> None:
    source = np.zeros((1, 17, 3), np.float32)
    source[0, [0, 10, 9, 16, 15]] = [(row, row, 1) for row in range(5)]
    rows = [joint for (joint,) in row_joints(PAPER, BODY_25)]
    np.testing.assert_array_equal(to_body25(source, COCO_17)[0, rows, 0], range(5))


def test_own_layout_is_a_copy_and_a_wrong_one_is_refused() -> None:
    people = np.ones((2, 25, 3), np.float32)
    np.testing.assert_array_equal(to_body25(people, BODY_25), people)
    with pytest.raises(ValueError, match=r"\(2, 25, 3\) is not \(P, 17, 3\) of coco17"):
        to_body25(people, COCO_17)
