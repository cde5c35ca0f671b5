"""Names and numbers of OpenPose's files as people have them, and which frame each is of."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpose_folders import CLIP, body, write

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import BODY_25
from stroi.stages.pose.readers import openpose_files
from stroi.stages.pose.readers.openpose_files import (
    check_frames,
    folder_digest,
    list_clip,
    list_frames,
)
from stroi.stages.pose.readers.openpose_folder import read_folder


def check(folder: Path, frames: int, start: int = 0, stop: int = 0) -> tuple[int, int]:
    return check_frames(folder, list_clip(folder, start, stop), frames, start, stop)


NAMES = (
    CLIP,
    "{:d}.json",
    "{:05d}_keypoints.json",
    "cam01.{:04d}.json",
    "a_b.c_{:012d}_keypoints.json",
    "frame{:04d}_keypoints.json",
    "img-{:04d}_keypoints.json",
    "IMG ({:d})_keypoints.json",
    "frame{:04d}.jpg_keypoints.json",
    "{:06d}_rgb_keypoints.json",
    "colorFrame_0_{:05d}_keypoints.json",
    "2021-03-04 10.22.33_{:012d}_keypoints.json",
)
"""OpenPose's own for videos, what it makes of names of images, and other programs'."""


@pytest.mark.parametrize("name", NAMES)
def test_names_give_the_frame_number(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "clip", {0: [], 3: [], 1001: []}, name)
    (folder / "notes.txt").write_text("no frame")
    (folder / "readme.json").write_text("no frame")
    (folder / f"._{name.format(0)}").write_text("macOS adds these")
    assert list_frames(folder).numbers == [0, 3, 1001]


def test_other_json_beside_openposes_is_no_frame(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", {0: [], 1: []})
    (folder / "camera2.json").write_text("{}")
    assert list_frames(folder).numbers == [0, 1]


def test_two_files_of_a_frame_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", {number: [] for number in range(6)})
    write(folder, {2: []}, "other_{:012d}_keypoints.json")
    with pytest.raises(ClipRejected) as caught:
        list_frames(folder)
    assert caught.value.code == "POSE_FRAMES"
    assert "are both of frame 2" in caught.value.message
    assert caught.value.remedy == "keep the files of one clip per folder"


def test_files_of_two_clips_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", {number: [] for number in range(6)})
    write(folder, {6: []}, "other_{:012d}_keypoints.json")
    with pytest.raises(ClipRejected) as caught:
        list_frames(folder)
    assert caught.value.code == "POSE_NAMES"
    assert caught.value.message == (
        "'clip': 'clip_000000000005_keypoints.json' and 'other_000000000006_keypoints.json' differ"
        " in more than the number of the frame"
    )
    assert caught.value.remedy == "keep the files of one clip per folder"


def test_no_folder_and_no_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(ClipRejected, match=r"POSE_FOLDER.*cannot be read \(No such file"):
        list_frames(tmp_path / "absent")
    with pytest.raises(ClipRejected, match=r"POSE_FOLDER.*holds no file.*: it is empty.*column sk"):
        list_frames(tmp_path)
    (tmp_path / "poses_keypoints.json").write_text("{}")
    with pytest.raises(ClipRejected, match=r"but 1 others, first 'poses_keypoints.json'"):
        list_frames(tmp_path)


@given(
    first=st.integers(1, 100_000), frames=st.integers(1, 60), name=st.sampled_from(NAMES),
    extra=st.integers(0, 3),
)  # fmt: skip
def test_a_constant_offset_is_found(
    tmp_path_factory: pytest.TempPathFactory, first: int, frames: int, name: str, extra: int
) -> None:
    folder = tmp_path_factory.mktemp("clip")
    write(folder, {first + number: [] for number in range(frames + extra)}, name)
    files = list_clip(folder)
    assert files.offset == first
    assert check_frames(folder, files, frames) == (0, extra)
    assert [files.by_frame[at].name for at in range(frames)] == [
        name.format(first + at) for at in range(frames)
    ]
    shutil.rmtree(folder)


def test_people_of_numbers_from_1_stand_in_their_frames(tmp_path: Path) -> None:
    right = write(tmp_path / "right", {at: [body(BODY_25, 100 + at)] for at in range(20)})
    late = write(tmp_path / "late", {at + 1: [body(BODY_25, 100 + at)] for at in range(20)})
    np.testing.assert_array_equal(read_folder(late, 20), read_folder(right, 20))


@pytest.mark.parametrize(("first", "last"), [(1, 19), (2, 19), (1, 18), (100, 118)])
def test_numbers_that_may_mean_two_things_are_refused(
    tmp_path: Path, first: int, last: int
) -> None:
    folder = write(tmp_path / "clip", {number: [] for number in range(first, last + 1)})
    with pytest.raises(ClipRejected) as caught:
        check(folder, 20)
    assert caught.value.code == "POSE_NUMBERS"
    assert caught.value.message == (
        f"'clip': the files are numbered from {first} to {last} for 20 frames of video: the first"
        " ones may lack a file"
    )
    assert caught.value.remedy.startswith("number the files from 0 for the first frame")
    write(folder, {number: [] for number in range(max(0, last - 19), first)})
    assert check(folder, 20) == (int(last == 18), 0)


def test_part_of_a_video_needs_the_videos_numbers(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", {number: [] for number in range(1, 41)})
    with pytest.raises(ClipRejected) as caught:
        check(whole, 12, 8, 20)
    assert caught.value.code == "POSE_NUMBERS"
    assert "from 1 to 40, and the clip is a part of its video, from frame 8 on" in (
        caught.value.message
    )
    own = write(tmp_path / "own", {number: [] for number in range(8, 20)})
    for stop in (20, 0):
        assert sorted(list_clip(own, 8, stop).by_frame) == list(range(12))
        assert check(own, 12, 8, stop) == (0, 0)


def test_every_second_frame_names_the_option(tmp_path: Path) -> None:
    for first in (0, 1):
        folder = write(tmp_path / f"{first}", {number: [] for number in range(first, 100, 2)})
        with pytest.raises(ClipRejected) as caught:
            check(folder, 50 if first else 100)
        assert caught.value.code == "POSE_FRAMES"
        assert caught.value.remedy == (
            "run OpenPose on every frame: these files are of one frame in 2"
        )


def test_other_numbers_are_another_digest(tmp_path: Path) -> None:
    people = {number: [body(BODY_25, 100 + number)] for number in range(6)}
    plain = write(tmp_path / "plain", people)
    moved = write(tmp_path / "moved", {number + 1: ones for number, ones in people.items()})
    assert folder_digest(plain) != folder_digest(moved)
    before = folder_digest(plain, 2, 4)
    write(plain, {6: []})
    assert folder_digest(plain, 2, 4) != before


def test_clips_of_one_folder_list_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openpose_files, "SETTLED", -1.0)
    listed: list[Path] = []
    look = openpose_files._list_frames

    def count(folder: Path) -> openpose_files.FolderFiles:
        listed.append(folder)
        return look(folder)

    monkeypatch.setattr(openpose_files, "_list_frames", count)
    folder = write(tmp_path / "long", {number: [body(BODY_25)] for number in range(40)})
    for start in range(0, 40, 4):
        files = list_clip(folder, start, start + 4)
        assert sorted(files.by_frame) == [0, 1, 2, 3]
        assert files.by_frame[0].name == CLIP.format(start)
        folder_digest(folder, start, start + 4)
    assert listed == [folder]
    time.sleep(0.05)  # the clock of file systems ticks every 4 to 10 ms
    write(folder, {40: []})
    assert list_frames(folder).numbers[-1] == 40


def test_a_folder_that_has_just_changed_is_listed_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "new", {0: []})
    for number in range(1, 20):
        write(folder, {number: []})
        assert list_frames(folder).numbers == list(range(number + 1))
