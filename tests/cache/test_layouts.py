"""Joints and bones."""

from __future__ import annotations

import pytest

from stroi.cache.layouts import (
    BODY_25,
    BODY_25_3D,
    COCO_17,
    COCO_17_3D,
    KINECT_V1,
    KINECT_V2,
    LAYOUTS,
    MOCAP_35,
    Layout,
)
from stroi.cache.rois import PAPER, row_joints


@pytest.mark.parametrize(
    ("layout", "count"),
    [
        (BODY_25, 25),
        (COCO_17, 17),
        (KINECT_V1, 20),
        (KINECT_V2, 25),
        (BODY_25_3D, 25),
        (COCO_17_3D, 17),
        (MOCAP_35, 35),
    ],
)
def test_bones_reach_every_joint(layout: Layout, count: int) -> None:
    assert len(set(layout.joints)) == len(layout.joints) == count
    assert len({frozenset(edge) for edge in layout.edges}) == len(layout.edges)
    reached = {layout.index(layout.centre)}
    for _ in layout.joints:
        reached |= {b for a, b in layout.edges if a in reached}
        reached |= {a for a, b in layout.edges if b in reached}
    if layout is not COCO_17:
        assert len(layout.edges) == count - 1
    assert reached == set(range(count))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_mirroring_twice_changes_nothing(layout: Layout) -> None:
    twin = layout.mirrored
    assert [twin[one] for one in twin] == list(range(len(layout.joints)))
    left, right = layout.stand_in("left_wrist"), layout.stand_in("right_wrist")
    assert twin[layout.index(left)] == layout.index(right)
    [head], *_ = row_joints(PAPER, layout)
    assert twin[head] == head


def test_kinect_joints_stand_where_the_sensor_puts_them() -> None:
    # ST-GCN's edges, counted from 1.
    known = (
        (1, 2), (2, 21), (3, 21), (4, 3), (5, 21), (6, 5), (7, 6), (8, 7), (9, 21), (10, 9),
        (11, 10), (12, 11), (13, 1), (14, 13), (15, 14), (16, 15), (17, 1), (18, 17), (19, 18),
        (20, 19), (22, 23), (23, 8), (24, 25), (25, 12),
    )  # fmt: skip
    assert {frozenset(edge) for edge in KINECT_V2.edges} == {
        frozenset((a - 1, b - 1)) for a, b in known
    }
    first = ((1, 2), (2, 3), (4, 3), (5, 3), (9, 3))
    assert {frozenset((a - 1, b - 1)) for a, b in first} <= {
        frozenset(edge) for edge in KINECT_V1.edges
    }
