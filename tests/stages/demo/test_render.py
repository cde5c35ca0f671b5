"""Rendered clips: the same bytes everywhere, twins, known joints."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from stroi.cache.errors import StroiError
from stroi.cache.skeletons import assemble_skeletons, decode_skeletons
from stroi.stages.demo.clips import MOTION_PAIRS, OBJECT_PAIRS, PAIRS, DemoClip, plan_demo
from stroi.stages.demo.render import draw_frames, known_joints, render_clip

CLIPS = {clip.sample_id: clip for clip in plan_demo(seed=0, frames=(30, 36))}
DEFAULT = plan_demo(seed=0)

RENDER = """
import hashlib, sys
from pathlib import Path
from stroi.stages.demo.clips import plan_demo
from stroi.stages.demo.render import render_clip
clips = {clip.sample_id: clip for clip in plan_demo(seed=0, frames=(30, 36))}
for name in sys.argv[2:]:
    path = Path(sys.argv[1]) / (name + ".avi")
    joints = render_clip(clips[name], path).keypoints.tobytes()
    print(name, hashlib.sha256(path.read_bytes() + joints).hexdigest())
"""


def twins(pair: str, subject: str = "s05", camera: str = "c1") -> tuple[DemoClip, DemoClip]:
    one, other = PAIRS[pair]
    return CLIPS[f"{one}_{subject}_{camera}"], CLIPS[f"{other}_{subject}_{camera}"]


def test_two_processes_in_any_order_write_the_same_bytes(tmp_path: Path) -> None:
    names = ["give_letter_s02_c1", "lift_fast_s07_c2", "drink_s01_c1"]
    printed = []
    for number, order in enumerate((names, names[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", RENDER, str(folder), *order],
            capture_output=True,
            text=True,
            check=True,
        )
        printed.append(sorted(done.stdout.splitlines()))
    assert len(printed[0]) == 3
    assert printed[0] == printed[1]


@pytest.mark.parametrize("pair", MOTION_PAIRS)
def test_motion_twins_are_the_same_picture_at_the_sampled_frames(pair: str) -> None:
    slow, fast = (list(draw_frames(clip)) for clip in twins(pair))
    assert len(slow) == len(fast)
    step = len(slow) // 6
    for column in range(1, 6):
        assert np.array_equal(slow[column * step], fast[column * step])
    half = step + step // 2
    assert not np.array_equal(slow[half], fast[half])


def test_motion_twins_are_the_same_picture_in_the_video_too(tmp_path: Path) -> None:
    read = []
    for clip in twins("lift", "s03", "c2"):
        path = tmp_path / f"{clip.sample_id}.avi"
        count = len(render_clip(clip, path).keypoints)
        reader = cv2.VideoCapture(str(path))
        read.append(np.array([reader.read()[1] for _ in range(count)]))
    sampled = np.arange(1, 6) * (count // 6)
    assert np.array_equal(read[0][sampled], read[1][sampled])
    assert not np.array_equal(read[0][sampled + 2], read[1][sampled + 2])


@pytest.mark.parametrize("pair", MOTION_PAIRS)
def test_motion_twins_have_the_same_pose_at_the_sampled_frames_only(pair: str) -> None:
    for subject in ("s01", "s06", "s11"):
        slow, fast = (known_joints(clip).keypoints for clip in twins(pair, subject, "c2"))
        step = len(slow) // 6
        sampled = np.arange(1, 6) * step
        assert np.abs(slow[sampled] - fast[sampled]).max() <= 1e-6
        travelled = [np.abs(np.diff(k[..., :2], axis=0)).sum() for k in (slow, fast)]
        assert travelled[1] > 2 * travelled[0]


@pytest.mark.parametrize("pair", OBJECT_PAIRS)
def test_object_twins_have_the_same_joints_to_the_bit(pair: str) -> None:
    for subject in ("s02", "s08"):
        one, other = (known_joints(clip) for clip in twins(pair, subject))
        assert np.array_equal(one.keypoints, other.keypoints)


@pytest.mark.parametrize("pair", OBJECT_PAIRS)
def test_object_twins_differ_in_the_object_alone(pair: str) -> None:
    one, other = twins(pair)
    joints = known_joints(one).keypoints
    people = 2 if pair == "give" else 1
    rows, columns = np.mgrid[0:240, 0:320]
    # The farthest corner of an object is within 50 px of a wrist that holds it.
    for number, pictures in enumerate(zip(draw_frames(one), draw_frames(other), strict=True)):
        changed = np.abs(pictures[0].astype(int) - pictures[1]).max(axis=2) > 0
        wrists = joints[number, :people][:, [4, 7], :2].reshape(-1, 2)
        away = np.min([np.hypot(columns - x, rows - y) for x, y in wrists], axis=0)
        assert 80 < changed.sum() < 2500
        assert away[changed].max() < 50


def test_renaming_the_label_within_a_pair_changes_no_joint_and_no_frame_count() -> None:
    clip = CLIPS["read_s03_c1"]
    other = replace(clip, label="tablet", sample_id="anything")
    assert np.array_equal(known_joints(clip).keypoints, known_joints(other).keypoints)


def test_known_joints_lie_in_the_picture_and_persons_are_ordered() -> None:
    lengths = set()
    for clip in DEFAULT:
        if clip.label != PAIRS[clip.pair][1]:
            continue
        joints = known_joints(clip)
        assert joints.person_count == (2 if clip.pair == "give" else 1)
        shown = joints.keypoints[:, : joints.person_count]
        assert (shown[..., 2] == 1).all()
        assert not joints.keypoints[:, joints.person_count :].any()
        assert shown[..., 0].min() >= 2, clip.sample_id
        assert shown[..., 0].max() <= 317, clip.sample_id
        assert shown[..., 1].min() >= 2, clip.sample_id
        assert shown[..., 1].max() <= 237, clip.sample_id
        middle = np.median(shown[..., 0], axis=(0, 2))
        assert (np.diff(middle) > 60).all()
        lengths.add(len(shown))
    assert min(lengths) >= 32
    assert max(lengths) <= 60
    assert len(lengths) > 15


def test_people_fill_the_height_that_the_estimator_needs() -> None:
    for clip in DEFAULT:
        if clip.label == PAIRS[clip.pair][0]:
            shown = known_joints(clip).keypoints
            heights = 1.09 * (shown[:, 0, :, 1].max(axis=1) - shown[:, 0, 0, 1])
            assert np.median(heights) > 160, clip.sample_id


def test_left_and_right_are_the_persons_own() -> None:
    joints = known_joints(CLIPS["wave_slow_s01_c1"]).keypoints[:, 0]
    # Seen from the front, a person's right is on the picture's left.
    for right, left in ((2, 5), (9, 12), (16, 15), (17, 18)):
        on_left, on_right = (right, left) if right != 16 else (15, 16)
        assert (joints[:, on_left, 0] < joints[:, on_right, 0]).all()
    assert joints[:, 4, 1].mean() < joints[:, 7, 1].mean() - 40


def test_the_video_holds_what_was_drawn(tmp_path: Path) -> None:
    clip = CLIPS["phone_s09_c2"]
    path = tmp_path / "clip.avi"
    joints = render_clip(clip, path)
    assert [file.name for file in tmp_path.iterdir()] == ["clip.avi"]
    reader = cv2.VideoCapture(str(path))
    errors = []
    for drawn in draw_frames(clip):
        done, frame = reader.read()
        assert done
        errors.append(float(np.mean((frame.astype(float) - drawn) ** 2)))
    assert not reader.read()[0]
    assert len(errors) == len(joints.keypoints)
    assert 10 * np.log10(255**2 / np.mean(errors)) > 33


def test_known_joints_pass_the_skeleton_format(tmp_path: Path) -> None:
    joints = known_joints(CLIPS["give_bottle_s01_c1"])
    path = tmp_path / "joints.h5"
    path.write_bytes(assemble_skeletons(["give_bottle_s01_c1"], [joints]).data)
    read = decode_skeletons(path)["give_bottle_s01_c1"]
    assert np.array_equal(read.keypoints, joints.keypoints)
    assert (read.width, read.height, read.fps) == (320, 240, 15.0)


def test_other_sizes_scale_the_whole_picture() -> None:
    clip = CLIPS["step_slow_s01_c1"]
    small, large = (known_joints(clip, size=s).keypoints for s in ((320, 240), (640, 480)))
    heights = [np.ptp(k[:, 0, :, 1], axis=1).mean() for k in (small, large)]
    assert heights[1] / heights[0] == pytest.approx(2, rel=0.01)
    assert next(draw_frames(clip, size=(640, 480))).shape == (480, 640, 3)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises((StroiError, OSError)):
        render_clip(CLIPS["drink_s01_c1"], blocked / "clip.avi")


def test_seeds_give_other_clips() -> None:
    def first(seed: int) -> str:
        clip = next(c for c in plan_demo(seed=seed) if c.sample_id == "drink_s01_c1")
        return hashlib.sha256(next(draw_frames(clip)).tobytes()).hexdigest()

    assert first(0) == first(0) != first(1)
