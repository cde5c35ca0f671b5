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
from stroi.stages.pose.detections import measure
from stroi.stages.pose.layouts import BODY_25B, COCO_18
from stroi.stages.pose.readers.openpose_folder import (
    ORDERS,
    count_gaps,
    folder_digest,
    likely_order,
    list_frames,
    read_detections,
    read_folder,
)
from stroi.stages.pose.readers.openpose_json import JsonModel


def clip(folder: Path, count: int = 6, layout: Layout = BODY_25) -> Path:
    """A walk of one person through `count` frames."""
    return write(folder, {number: [body(layout, 100 + number)] for number in range(count)})


def test_people_stand_in_their_frames(tmp_path: Path) -> None:
    one, two = body(BODY_25, 100), body(BODY_25, 160)
    nothing = np.zeros((25, 3), np.float32)
    folder = write(tmp_path / "clip", {0: [one], 1: [], 2: [two, nothing, one], 11: [two]})
    write(folder, {number: [one] for number in (*range(3, 9), 10)})
    found = read_folder(folder, 12)
    assert [len(people) for people in found] == [1, 0, 2, 1, 1, 1, 1, 1, 1, 0, 1, 1]
    np.testing.assert_allclose(found[2], [two, one], atol=1e-3)
    np.testing.assert_allclose(found[11], [two], atol=1e-3)
    assert count_gaps(folder, 12) == (1, 0)


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
        assert count_gaps(folder, frames) == (0, 0)
        with pytest.raises(ClipRejected, match=f"POSE_LAYOUT.*set .*model to {model}"):
            read_folder(folder, frames, model=wrong)


def test_real_folder_fits_its_video(real_data: Path) -> None:
    video = real_data / "clips" / "pose2sim_multi_cam01.mp4"
    folder = real_data / "openpose_json" / "pose2sim_multi_cam01"
    if not video.is_file() or not folder.is_dir():
        pytest.skip(f"no real clip at {video}")
    found = read_detections(folder, video, model="BODY_25B")
    assert (found.counts.sum(), len(found.counts)) == (299, measure(video).frames)
    assert (found.width, found.height) == (1088, 1920)


@pytest.mark.parametrize(
    "name", [CLIP, "{:d}.json", "cam01.{:04d}.json", "a_b.c_{:012d}_keypoints.json"]
)
def test_names_give_the_frame_number(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "clip", {0: [], 3: [], 1001: []}, name)
    (folder / "notes.txt").write_text("no frame")
    (folder / "readme.json").write_text("no frame")
    assert sorted(list_frames(folder)) == [0, 3, 1001]


def test_two_files_of_a_frame_are_refused(tmp_path: Path) -> None:
    folder = clip(tmp_path / "clip")
    write(folder, {2: []}, "other_{:012d}_keypoints.json")
    with pytest.raises(ClipRejected) as caught:
        list_frames(folder)
    assert caught.value.code == "POSE_FRAMES"
    assert "are both of frame 2" in caught.value.message
    assert caught.value.remedy == "keep the files of one clip per folder"


@pytest.mark.parametrize(
    ("kept", "frames", "missing", "surplus"),
    [(range(100), 96, 0, 4), (range(95), 100, 5, 0), (range(0, 7), 10, 3, 0)],
)
def test_few_frames_may_differ(
    tmp_path: Path, kept: range, frames: int, missing: int, surplus: int
) -> None:
    folder = write(tmp_path / "clip", {number: [] for number in kept})
    found = read_folder(folder, frames)
    assert (len(found), *count_gaps(folder, frames)) == (frames, missing, surplus)


@pytest.mark.parametrize(
    ("kept", "frames", "problem"),
    [
        (range(100), 90, "100 files for 90 frames of video: 0 frames lack one, 10 files"),
        (range(50), 100, "50 files for 100 frames of video: 50 frames lack one"),
        (range(0, 100, 2), 100, "50 files for 100 frames of video: 50 frames lack one"),
        (range(40, 60), 20, "20 files for 20 frames of video: 20 frames lack one, 20 files"),
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


def test_no_folder_and_no_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(ClipRejected, match=r"POSE_FOLDER.*cannot be read \(No such file"):
        list_frames(tmp_path / "absent")
    with pytest.raises(ClipRejected, match=r"POSE_FOLDER.*holds no file.*column skeleton"):
        list_frames(tmp_path)


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


def test_video_gives_size_and_frames(tmp_path: Path) -> None:
    video = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for level in range(7):
        writer.write(np.full((48, 64, 3), 30 * level, np.uint8))
    writer.release()
    info = measure(video)
    assert (info.frames, info.width, info.height, info.fps) == (7, 64, 48, 25)
    found = read_detections(clip(tmp_path / "clip", 6), video)
    assert list(found.counts) == [1, 1, 1, 1, 1, 1, 0]
    assert (found.people.shape, found.people.dtype) == ((6, 25, 3), np.float32)
    video.write_bytes(b"")
    with pytest.raises(ClipRejected, match="VIDEO_EMPTY"):
        measure(video)
