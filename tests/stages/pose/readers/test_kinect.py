"""A Kinect's own skeletons in place of an estimator: joints, confidences, frames and sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ntu_people import Joints, colour, furniture, person, skeleton_text

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_file
from stroi.stages.pose.readers.kinect import read_kinect, summarise, to_body25
from stroi.stages.video.frames import VideoInfo

T = 20
ID = 72057594037944738
KINECT_OF = {
    0: 3, 1: 20, 2: 8, 3: 9, 4: 10, 5: 4, 6: 5, 7: 6, 8: 0, 9: 16, 10: 17, 11: 18, 12: 12, 13: 13,
    14: 14, 19: 15, 22: 19,
}  # fmt: skip
"""BODY_25's numbers, and a Kinect v2's."""

Bodies = dict[int, tuple[range, Joints]]


def file_of(tmp_path: Path, bodies: Bodies, frames: int = T, state: object = 2) -> tuple[Path, str]:
    path = tmp_path / "a.skeleton"
    path.write_bytes(skeleton_text(frames, bodies, state=state))
    return path, sha256_file(path)


def info(frames: int = T, width: int = 1920, height: int = 1080) -> VideoInfo:
    return VideoInfo(frames, width, height, 30.0)


def one() -> Bodies:
    return {ID: (range(T), person(T, at=0))}


def test_joints_by_number_and_confidence_by_state() -> None:
    random = np.random.default_rng(0)
    pixels = random.uniform(1, 1000, (T, 25, 2)).astype(np.float32)
    states = random.integers(0, 3, (T, 25)).astype(np.uint8)
    found = to_body25(pixels, states)
    for joint in range(25):
        expected = np.zeros((T, 3), np.float32)
        if joint in KINECT_OF:
            state = states[:, KINECT_OF[joint]]
            expected[:, :2] = np.where(state[:, None] > 0, pixels[:, KINECT_OF[joint]], 0)
            expected[:, 2] = state / 2
        np.testing.assert_array_equal(found[:, joint], expected)


def test_places_are_those_of_the_video_at_its_size(tmp_path: Path) -> None:
    file = file_of(tmp_path, one())
    whole, small = read_kinect(*file, info()), read_kinect(*file, info(width=320, height=180))
    assert (whole.counts == 1).all()
    assert whole.people.shape == (T, 25, 3)
    wrist = colour(person(T, at=0))[:, 10]
    np.testing.assert_allclose(whole.people[:, 4, :2], wrist, rtol=1e-5)
    np.testing.assert_allclose(small.people[:, 4, :2], wrist / 6, rtol=1e-5)
    assert (small.width, small.height, small.fps) == (320, 180, 30)


@pytest.mark.parametrize(("width", "height"), [(1440, 1080), (340, 256), (1080, 1920)])
def test_video_of_another_shape_is_refused(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(ClipRejected, match=rf"SKEL_SIZE.*{width} x {height} px does not show"):
        read_kinect(*file_of(tmp_path, one()), info(width=width, height=height))


def test_joints_outside_the_picture_are_absent(tmp_path: Path) -> None:
    # 3 m away the picture ends 2.7 m beside its middle.
    file = file_of(tmp_path, {ID: (range(T), person(T, at=2.7, sway=0))})
    people = read_kinect(*file, info()).people
    inside = people[..., 2] > 0
    assert inside[:, 5].all()
    assert not inside[:, 4].any()
    assert (people[~inside] == 0).all()


def test_left_one_first_couch_dropped_and_the_same_people_in_every_frame(tmp_path: Path) -> None:
    left, right = person(T, at=-0.7, seed=1), person(T, at=0.7, seed=2)
    bodies = {
        ID: (range(5, T), right[5:]),
        ID + 1: (range(T), left),
        ID + 2: (range(T), furniture(T, at=0)),
    }
    file = file_of(tmp_path, bodies)
    tracks = read_kinect(*file, info()).as_tracks()
    assert tracks.shape == (2, T, 25, 3)
    np.testing.assert_allclose(tracks[0, :, 4, :2], colour(left)[:, 10], rtol=1e-5)
    np.testing.assert_allclose(tracks[1, 5:, 4, :2], colour(right)[5:, 10], rtol=1e-5)
    assert not tracks[1, :5].any()
    assert summarise(*file, T) == (3, 0, 0)


def test_body_that_is_lost_and_found_under_another_id_is_one(tmp_path: Path) -> None:
    joints = person(T, at=0)
    file = file_of(tmp_path, {ID + 9: (range(8), joints[:8]), ID: (range(11, T), joints[11:])})
    tracks = read_kinect(*file, info()).as_tracks()
    seen = [*range(8), *range(11, T)]
    assert len(tracks) == 1
    assert np.flatnonzero(tracks[0].any(axis=(1, 2))).tolist() == seen
    np.testing.assert_allclose(tracks[0, seen, 4, :2], colour(joints)[seen, 10], rtol=1e-5)


@pytest.mark.parametrize(("frames", "missing", "surplus"), [(T + 3, 3, 0), (T - 3, 0, 3)])
def test_few_frames_may_differ(tmp_path: Path, frames: int, missing: int, surplus: int) -> None:
    file = file_of(tmp_path, one())
    found = read_kinect(*file, info(frames)).as_tracks()[0]
    assert len(found) == frames
    assert np.count_nonzero(found.any(axis=(1, 2))) == frames - missing
    assert summarise(*file, frames) == (1, missing, surplus)


@pytest.mark.parametrize("frames", [T - 4, T + 4])
def test_file_of_another_video_is_refused(tmp_path: Path, frames: int) -> None:
    with pytest.raises(ClipRejected) as caught:
        read_kinect(*file_of(tmp_path, one()), info(frames))
    assert caught.value.code == "SKEL_FRAMES"
    assert f"{T} frames for {frames} of video" in caught.value.message


def test_part_of_a_file_for_part_of_its_video(tmp_path: Path) -> None:
    file = file_of(tmp_path, one())
    whole = read_kinect(*file, info()).as_tracks()
    np.testing.assert_array_equal(read_kinect(*file, info(7), 5, 12).as_tracks(), whole[:, 5:12])
    np.testing.assert_array_equal(read_kinect(*file, info(8), 12).as_tracks(), whole[:, 12:])
    with pytest.raises(ClipRejected, match="SKEL_SEGMENT"):
        read_kinect(*file, info(9), 30, 39)


def test_other_bytes_than_those_of_the_index_are_refused(tmp_path: Path) -> None:
    path, sha256 = file_of(tmp_path, one())
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ClipRejected, match="SKEL_CHANGED"):
        read_kinect(path, sha256, info())
    path.unlink()
    with pytest.raises(ClipRejected, match="SKEL_OPEN"):
        read_kinect(path, sha256, info())
