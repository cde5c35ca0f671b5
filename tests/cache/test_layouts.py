"""Joints, bones and mosaic rows."""

from __future__ import annotations

import pytest

from stroi.cache.layouts import BODY_25, COCO_17, MIRRORED_ROWS, ROI_ROWS, Layout, roi_joints


@pytest.mark.parametrize(("layout", "count"), [(BODY_25, 25), (COCO_17, 17)])
def test_bones_reach_every_joint(layout: Layout, count: int) -> None:
    assert len(set(layout.joints)) == len(layout.joints) == count
    assert len({frozenset(edge) for edge in layout.edges}) == len(layout.edges)
    reached = {layout.index(layout.centre)}
    for _ in layout.joints:
        reached |= {b for a, b in layout.edges if a in reached}
        reached |= {a for a, b in layout.edges if b in reached}
    if layout is BODY_25:
        assert len(layout.edges) == count - 1
    assert reached == set(range(count))


def test_rows_are_those_of_openpose() -> None:
    assert roi_joints() == (0, 4, 7, 11, 14)
    names = list(ROI_ROWS)
    mirrored = [names[row] for row in MIRRORED_ROWS]
    swap = {"right": "left", "left": "right"}
    for name, twin in zip(names, mirrored, strict=True):
        side, _, part = name.partition("_")
        assert twin == (f"{swap[side]}_{part}" if side in swap else name)
