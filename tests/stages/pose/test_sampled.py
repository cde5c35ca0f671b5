"""Processing only the frames that a mosaic needs, and at enough between to know who is who."""

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
from stroi.stages.pose.sampled import detect_sampled, frames_to_process, sampled_persons
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import track
from stroi.stages.video.frame_sampling import sample_frames


@given(
    count=st.integers(1, 400),
    columns=st.integers(1, 20),
    fps=st.sampled_from([0.0, 5.0, 15.0, 29.97, 60.0]),
)
def test_processed_frames(count: int, columns: int, fps: float) -> None:
    needed = sample_frames(count, columns, "centre").tolist()
    processed = frames_to_process(needed, count, fps)
    assert (processed[0], processed[-1]) == (0, count - 1)
    assert set(needed) <= set(processed.tolist())
    longest = max(1, int((fps or 30) / 6))
    steps = np.diff(processed)
    assert ((steps >= 1) & (steps <= longest)).all()
    assert len(processed) <= len(set(needed)) + 2 + count / longest


def test_a_fifth_of_the_frames_is_enough_at_30_per_second() -> None:
    processed = frames_to_process(sample_frames(300, 5).tolist(), 300, 30.0)
    assert len(processed) == 61
    assert frames_to_process([], 7, 1e9).tolist() == [0, 3, 6]


def test_no_other_frame_is_processed(tmp_path: Path) -> None:
    video = write_video(
        tmp_path / "clip.mp4", "libx264", count_to(90), options={"bf": "2"}, gop=1000
    )
    estimator = Counting()
    needed = sample_frames(90, 5).tolist()
    found = detect_sampled(video, estimator, lambda count: sample_frames(count, 5).tolist())
    processed = frames_to_process(needed, 90, 30.0)
    assert estimator.calls == len(processed) < 25
    assert np.flatnonzero(found.counts).tolist() == processed.tolist()
    assert (len(found.counts), found.width, found.height, found.fps) == (90, 320, 160, 30.0)
    keypoints, count = sampled_persons(found, processed)
    assert count == 1
    assert keypoints[needed, 0, 18, 0].tolist() == needed
    assert np.flatnonzero(keypoints[..., 2].any(axis=(1, 2))).tolist() == processed.tolist()


def sparse(found: list[NDArray[np.float32]], processed: NDArray[np.intp]) -> Detections:
    """What is left of everybody found if only some frames are processed."""
    kept = set(processed.tolist())
    some = [people if time in kept else people[:0] for time, people in enumerate(found)]
    counts = np.array([len(people) for people in some], np.int32)
    return Detections(np.concatenate(some), counts, 640, 480, 30.0)


@pytest.mark.parametrize("needed", [5, 16])
def test_same_people_in_the_same_columns_as_when_all_frames_are_processed(needed: int) -> None:
    steps = np.arange(120)
    left = walk(300 + 4.0 * (steps - 80), seed=1)
    right = walk(310 - 4.0 * (steps - 80), seed=2, y=203)
    behind = walk(np.full(120, 500.0), seed=3, y=60, size=0.3)
    gone = np.zeros((3, 120), np.bool_)
    gone[1, 75:85] = gone[2, ::3] = True
    found = detections(left, right, behind, gone=gone)
    frames = sample_frames(120, needed).tolist()
    processed = frames_to_process(frames, 120, 30.0)
    whole, count = main_persons(track(found), fill_gap=0)
    some, same = sampled_persons(sparse(found, processed), processed)
    assert count == same == 2
    np.testing.assert_array_equal(some[frames], whole[frames])


def test_nobody_is_nobody() -> None:
    processed = frames_to_process([10], 60, 30.0)
    found = sparse([np.zeros((0, 25, 3), np.float32)] * 60, processed)
    with pytest.raises(ClipRejected, match="NO_PERSON"):
        sampled_persons(found, processed)
