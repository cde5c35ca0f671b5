"""Looking only at the frames that a mosaic needs, and at enough between to know who is who."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from counting import Counting
from hypothesis import given
from hypothesis import strategies as st
from numbered import count_to, write_video
from numpy.typing import NDArray
from walkers import detections, walk

from stroi.cache.errors import ClipRejected
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.sampled import detect_where_needed, frames_to_look_at, sparse_persons
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import track
from stroi.stages.video.frame_sampling import sample_frames


@given(
    count=st.integers(1, 400),
    columns=st.integers(1, 20),
    fps=st.sampled_from([0.0, 5.0, 15.0, 29.97, 60.0]),
)
def test_frames_looked_at(count: int, columns: int, fps: float) -> None:
    needed = sample_frames(count, columns, "centre").tolist()
    look = frames_to_look_at(needed, count, fps)
    assert (look[0], look[-1]) == (0, count - 1)
    assert set(needed) <= set(look.tolist())
    longest = max(1, int((fps or 30) / 6))
    steps = np.diff(look)
    assert ((steps >= 1) & (steps <= longest)).all()
    assert len(look) <= len(set(needed)) + 2 + count / longest


def test_a_fifth_of_the_frames_is_enough_at_30_per_second() -> None:
    look = frames_to_look_at(sample_frames(300, 5).tolist(), 300, 30.0)
    assert len(look) == 61
    assert frames_to_look_at([], 7, 1e9).tolist() == [0, 3, 6]


def test_only_what_is_looked_at_is_estimated(tmp_path: Path) -> None:
    video = write_video(
        tmp_path / "clip.mp4", "libx264", count_to(90), options={"bf": "2"}, gop=1000
    )
    estimator = Counting()
    needed = sample_frames(90, 5).tolist()
    found, look = detect_where_needed(video, estimator, lambda count: sample_frames(count, 5))
    assert estimator.calls == len(look) < 25
    assert np.flatnonzero(found.counts).tolist() == look.tolist()
    assert (len(found.counts), found.width, found.height, found.fps) == (90, 320, 160, 30.0)
    keypoints, count = sparse_persons(found, look)
    assert count == 1
    assert keypoints[needed, 0, 18, 0].tolist() == needed
    assert np.flatnonzero(keypoints[..., 2].any(axis=(1, 2))).tolist() == look.tolist()


def sparse(found: list[NDArray[np.float32]], look: NDArray[np.intp]) -> Detections:
    """What is left of everybody found if only some frames are looked at."""
    shown = set(look.tolist())
    some = [people if time in shown else people[:0] for time, people in enumerate(found)]
    counts = np.array([len(people) for people in some], np.int32)
    return Detections(np.concatenate(some), counts, 640, 480, 30.0)


@pytest.mark.parametrize("needed", [5, 16])
def test_same_people_in_the_same_columns_as_when_all_frames_are_looked_at(needed: int) -> None:
    steps = np.arange(120)
    left = walk(300 + 4.0 * (steps - 80), seed=1)
    right = walk(310 - 4.0 * (steps - 80), seed=2, y=203)
    behind = walk(np.full(120, 500.0), seed=3, y=60, size=0.3)
    gone = np.zeros((3, 120), np.bool_)
    gone[1, 75:85] = gone[2, ::3] = True
    found = detections(left, right, behind, gone=gone)
    frames = sample_frames(120, needed).tolist()
    look = frames_to_look_at(frames, 120, 30.0)
    whole, count = main_persons(track(found), fill_gap=0)
    some, same = sparse_persons(sparse(found, look), look)
    assert count == same == 2
    np.testing.assert_array_equal(some[frames], whole[frames])


def test_nobody_is_nobody() -> None:
    look = frames_to_look_at([10], 60, 30.0)
    found = sparse([np.zeros((0, 25, 3), np.float32)] * 60, look)
    with pytest.raises(ClipRejected, match="NO_PERSON"):
        sparse_persons(found, look)
