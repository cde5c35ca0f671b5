"""Parts of files whose people were chosen by all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import KINECT_V1
from stroi.cache.skeletons3d import JointClip
from stroi.stages.sensors.segment import select_segment

PATH = Path("folder") / "a.json"


def clip(frames: int = 10) -> JointClip:
    position = np.arange(frames * 2 * 20 * 3, dtype=np.float32).reshape(frames, 2, 20, 3)
    state = np.full((frames, 2, 20), 2, np.uint8)
    state[:3] = 0
    return JointClip(position, state, 2, KINECT_V1, 0.0)


def test_a_part_has_its_own_frames() -> None:
    whole = clip()
    assert select_segment(whole, PATH, 0, 0) is whole
    some = select_segment(whole, PATH, 4, 7)
    np.testing.assert_array_equal(some.position, whole.position[4:7])
    np.testing.assert_array_equal(some.state, whole.state[4:7])
    assert (some.person_count, some.layout) == (2, KINECT_V1)
    assert len(select_segment(whole, PATH, 4, 13).state) == 6


def test_a_part_beyond_the_end_or_without_anybody_is_rejected() -> None:
    with pytest.raises(ClipRejected, match=r"SKEL_SEGMENT: 'a\.json': .* 4 to 13 .* holds 10"):
        select_segment(clip(), PATH, 4, 14)
    with pytest.raises(ClipRejected, match=r"SKEL_EMPTY: 'a\.json': .* in frames 0 to 2"):
        select_segment(clip(), PATH, 0, 3)
