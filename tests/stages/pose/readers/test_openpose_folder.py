"""OpenPose's JSON folders: frame numbers, counts, and the network that the files do not name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpose_folders import CLIP, body, write

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import BODY_25, Layout
from stroi.stages.pose.layouts import BODY_25B, COCO_18
from stroi.stages.pose.readers.openpose_files import check_frames, folder_digest, list_clip
from stroi.stages.pose.readers.openpose_folder import (
    ORDERS,
    likely_order,
    read_detections,
    read_folder,
)
from stroi.stages.pose.readers.openpose_json import JsonModel
from stroi.stages.video.frame_count import decode_frames


def clip(folder: Path, count: int = 6, layout: Layout = BODY_25) -> Path:
    """A walk of one person through `count` frames."""
    return write(folder, {number: [body(layout, 100 + number)] for number in range(count)})


def gaps(folder: Path, frames: int) -> tuple[int, int]:
    return check_frames(folder, list_clip(folder), frames)


def test_people_stand_in_their_frames(tmp_path: Path) -> None:
    one, two = body(BODY_25, 100), body(BODY_25, 160)
    nothing = np.zeros((25, 3), np.float32)
    folder = write(tmp_path / "clip", {0: [one], 1: [], 2: [two, nothing, one], 11: [two]})
    write(folder, {number: [one] for number in (*range(3, 9), 10)})
    found = read_folder(folder, 12)
    assert [len(people) for people in found] == [1, 0, 2, 1, 1, 1, 1, 1, 1, 0, 1, 1]
    np.testing.assert_allclose(found[2], [two, one], atol=1e-3)
    np.testing.assert_allclose(found[11], [two], atol=1e-3)
    assert gaps(folder, 12) == (1, 0)


@pytest.mark.parametrize("model", ["BODY_25", "BODY_25B", "COCO"])
def test_every_network_comes_as_body_25(tmp_path: Path, model: JsonModel) -> None:
    layout = {"BODY_25": BODY_25, "BODY_25B": BODY_25B, "COCO": COCO_18}[model]
    people = read_folder(clip(tmp_path / "clip", layout=layout), 6, model)
    known = BODY_25.joints if model != "COCO" else COCO_18.joints
    for name in known:
        at = BODY_25.index(name)
        np.testing.assert_allclose(people[3][0, at], body(BODY_25, 103)[at], atol=1e-2)


@pytest.mark.parametrize(("true", "said"), [("BODY_25", "BODY_25B"), ("BODY_25B", "BODY_25")])
def test_wrong_network_is_caught(tmp_path: Path, true: str, said: JsonModel) -> None:
    folder = clip(tmp_path / "clip", layout=ORDERS[true])
    with pytest.raises(ClipRejected) as caught:
        read_folder(folder, 6, model=said)
    assert caught.value.code == "POSE_LAYOUT"
    assert f"the joints stand in the order of {true}, not of {said}" in caught.value.message
    assert caught.value.remedy == f"set skeletons.openpose_json.model to {true}"


def test_coco_read_as_body_25_names_the_option(tmp_path: Path) -> None:
    folder = clip(tmp_path / "clip", layout=COCO_18)
    with pytest.raises(ClipRejected, match=r"POSE_LENGTH.*54, want 75.*BODY_25, BODY_25B or COCO"):
        read_folder(folder, 6)


@given(
    order=st.sampled_from(sorted(ORDERS)),
    absent=st.sets(st.integers(0, 24), max_size=14),
    shear=st.floats(-0.6, 0.6),
    flat=st.floats(0.3, 1),
    noise=st.integers(0, 2**32 - 1),
)
def test_true_order_is_never_doubted(
    order: str, absent: set[int], shear: float, flat: float, noise: int
) -> None:
    rng = np.random.default_rng(noise)
    people = np.stack([body(ORDERS[order]) for _ in range(5)])
    people[..., 0] = 100 + flat * (people[..., 0] - 100) + shear * (people[..., 1] - 120)
    people[..., :2] += rng.normal(0, 2, (5, 25, 2))
    people[:, sorted(absent)] = 0
    assert likely_order(people, order) == order


@given(order=st.sampled_from(sorted(ORDERS)), lost=st.floats(0, 0.4), noise=st.integers(0, 999))
def test_wrong_order_is_seen_though_joints_are_missing(order: str, lost: float, noise: int) -> None:
    rng = np.random.default_rng(noise)
    people = np.stack([body(ORDERS[order]) for _ in range(30)])
    people[..., :2] += rng.normal(0, 2, (30, 25, 2))
    people[rng.random((30, 25)) < lost] = 0
    other = next(name for name in ORDERS if name != order)
    assert likely_order(people, other) == order


def test_nobody_has_no_order() -> None:
    assert likely_order(np.zeros((0, 25, 3), np.float32), "BODY_25") == "BODY_25"
    assert likely_order(np.zeros((2, 25, 3), np.float32), "BODY_25B") == "BODY_25B"


def test_real_folders_load_and_tell_their_network(real_data: Path) -> None:
    folders = {
        "openposer_psychologie": ("BODY_25", 157, 157),
        "pose2sim_multi_cam01": ("BODY_25B", 100, 299),
        "pose2sim_single_cam03": ("BODY_25B", 100, 100),
    }
    for name, (model, frames, persons) in folders.items():
        folder = real_data / "openpose_json" / name
        if not folder.is_dir():
            pytest.skip(f"no real folder at {folder}")
        right: JsonModel = "BODY_25" if model == "BODY_25" else "BODY_25B"
        wrong: JsonModel = "BODY_25B" if model == "BODY_25" else "BODY_25"
        found = read_folder(folder, frames, model=right)
        assert sum(len(people) for people in found) == persons
        assert gaps(folder, frames) == (0, 0)
        with pytest.raises(ClipRejected, match=f"POSE_LAYOUT.*set .*model to {model}"):
            read_folder(folder, frames, model=wrong)


def test_real_folder_fits_its_video(real_data: Path) -> None:
    video = real_data / "clips" / "pose2sim_multi_cam01.mp4"
    folder = real_data / "openpose_json" / "pose2sim_multi_cam01"
    if not video.is_file() or not folder.is_dir():
        pytest.skip(f"no real clip at {video}")
    found = read_detections(folder, video, model="BODY_25B")
    assert (found.counts.sum(), len(found.counts)) == (299, decode_frames(video).frames)
    assert (found.width, found.height) == (1088, 1920)


@pytest.mark.parametrize(
    ("kept", "frames", "missing", "surplus"),
    [(range(100), 96, 0, 4), (range(95), 100, 5, 0), (range(0, 7), 10, 3, 0)],
)
def test_few_frames_may_differ(
    tmp_path: Path, kept: range, frames: int, missing: int, surplus: int
) -> None:
    folder = write(tmp_path / "clip", {number: [] for number in kept})
    found = read_folder(folder, frames)
    assert (len(found), *gaps(folder, frames)) == (frames, missing, surplus)


@pytest.mark.parametrize(
    ("kept", "frames", "problem"),
    [
        (range(100), 90, "100 files for 90 frames of video: 0 frames lack one, 10 files"),
        (range(50), 100, "50 files for 100 frames of video: 50 frames lack one"),
        (range(0, 100, 2), 100, "50 files for 100 frames of video: 50 frames lack one"),
        (range(40, 70), 20, "30 files for 20 frames of video: 0 frames lack one, 10 files"),
    ],
)
def test_another_videos_frames_are_refused(
    tmp_path: Path, kept: range, frames: int, problem: str
) -> None:
    folder = write(tmp_path / "clip", {number: [] for number in kept})
    with pytest.raises(ClipRejected) as caught:
        read_folder(folder, frames)
    assert caught.value.code == "POSE_FRAMES"
    assert problem in caught.value.message


def test_normalised_coordinates_are_refused(tmp_path: Path) -> None:
    person = body(BODY_25)
    person[:, :2] /= 400
    with pytest.raises(ClipRejected, match=r"POSE_SCALE.*--keypoint_scale 0"):
        read_folder(write(tmp_path / "clip", {0: [person]}), 1)


def test_digest_is_of_numbers_and_contents(tmp_path: Path) -> None:
    folder = clip(tmp_path / "clip")
    before = folder_digest(folder)
    assert folder_digest(shutil.copytree(folder, tmp_path / "copy")) == before
    (folder / "notes.txt").write_text("no frame")
    assert folder_digest(folder) == before
    (folder / CLIP.format(5)).rename(folder / CLIP.format(6))
    assert folder_digest(folder) != before
    (folder / CLIP.format(6)).rename(folder / CLIP.format(5))
    write(folder, {5: []})
    assert folder_digest(folder) != before


def test_pipe_in_a_folder_does_not_hang(tmp_path: Path) -> None:
    folder = clip(tmp_path / "clip")
    os.mkfifo(folder / CLIP.format(6))
    with pytest.raises(ClipRejected, match=r"POSE_OPEN: 'clip': .*not a regular file"):
        folder_digest(folder)
    with pytest.raises(ClipRejected, match=r"POSE_OPEN: 'clip': .*not a regular file"):
        read_folder(folder, 7)


def video_of(path: Path, frames: int, width: int = 320, height: int = 240) -> Path:
    """A video of grey frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (width, height))
    for level in range(frames):
        writer.write(np.full((height, width, 3), 30 * level % 256, np.uint8))
    writer.release()
    return path


def test_video_gives_size_and_frames(tmp_path: Path) -> None:
    video = video_of(tmp_path / "video.avi", 7)
    info = decode_frames(video)
    assert (info.frames, info.width, info.height, info.fps) == (7, 320, 240, 25)
    found = read_detections(clip(tmp_path / "clip", 6), video)
    assert list(found.counts) == [1, 1, 1, 1, 1, 1, 0]
    assert (found.people.shape, found.people.dtype) == ((6, 25, 3), np.float32)
    assert found.remark == "frames without a skeleton: 1"
    video.write_bytes(b"")
    with pytest.raises(ClipRejected, match="VIDEO_EMPTY"):
        decode_frames(video)


def test_joints_outside_the_picture_are_of_another_size(tmp_path: Path) -> None:
    video = video_of(tmp_path / "video.avi", 6, 160, 120)
    with pytest.raises(ClipRejected) as caught:
        read_detections(clip(tmp_path / "clip"), video)
    assert caught.value.code == "POSE_OUTSIDE"
    assert "joints lie outside the picture of 160 x 120 px: they reach x = 131, y = 214" in (
        caught.value.message
    )
    assert caught.value.remedy == (
        "run OpenPose with --keypoint_scale 0 on the video that the table names"
    )


def test_few_joints_just_outside_are_absent(tmp_path: Path) -> None:
    folder = clip(tmp_path / "clip")
    stretched = body(BODY_25, 100)
    stretched[BODY_25.index("right_wrist"), 0] = -4
    write(folder, {2: [stretched]})
    found = read_detections(folder, video_of(tmp_path / "video.avi", 6))
    assert not found.by_frame()[2][0, BODY_25.index("right_wrist")].any()
    assert (found.people[..., 2] > 0).sum() == 6 * 25 - 1
    assert found.remark == "joints outside the picture: 1"


def test_crowds_keep_the_most_confident_and_say_so(tmp_path: Path) -> None:
    crowd = [body(BODY_25, 60 + 8 * number) for number in range(26)]
    for number in (0, 3, 7, 11, 19, 25):
        crowd[number][:, 2] = 0.3
    crowd[5][3:] = 0  # a few very sure joints are no person
    crowd[5][:3, 2] = 1
    folder = write(clip(tmp_path / "clip"), {3: crowd})
    found = read_detections(folder, video_of(tmp_path / "video.avi", 6))
    assert found.counts.tolist() == [1, 1, 1, 20, 1, 1]
    kept = [n for n in range(26) if n not in (0, 3, 5, 7, 11, 19, 25)] + [0]
    noses = found.by_frame()[3][:, 0, 0]
    np.testing.assert_allclose(sorted(noses), sorted(60 + 8 * n for n in kept), atol=0.01)
    assert found.remark == "frames with 20 people or more, the most confident of whom count: 1"


def test_numbers_from_1_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", {at + 1: [body(BODY_25, 100 + at)] for at in range(6)})
    found = read_detections(folder, video_of(tmp_path / "video.avi", 6))
    np.testing.assert_allclose(found.people[:, 8, 0], 100 + np.arange(6), atol=0.01)
    assert found.remark == "files numbered from 1"
