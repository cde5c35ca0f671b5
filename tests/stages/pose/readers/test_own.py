"""The people of one's own skeletons in the frames of a video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_people import CAMERA, LAYOUT, person, pixels

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import BODY_25
from stroi.pipeline.params.own_skeletons import OwnSkeletonParams
from stroi.stages.pose.readers.own import read_own_people
from stroi.stages.video.frames import VideoInfo

T = 40
J = BODY_25.index


def params(**changes: Any) -> OwnSkeletonParams:
    fields = {"layout": LAYOUT, "cameras": {"front": CAMERA}} | changes
    return OwnSkeletonParams.model_validate_json(json.dumps(fields))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a.npz", position=person("kick", 1, T))
    return tmp_path / "a.npz"


def test_joints_are_where_the_camera_sees_them_also_in_a_smaller_copy(file: Path) -> None:
    expected = pixels(person("kick", 1, T))
    for scale in (1, 2):
        info = VideoInfo(T, 320 // scale, 240 // scale, 15.0)
        tracks = read_own_people(file, params(), "front", info).as_tracks()
        assert tracks.shape == (1, T, 25, 3)
        for joint, own in LAYOUT["body25"].items():
            places = expected[:, LAYOUT["joints"].index(own)] / scale
            np.testing.assert_allclose(tracks[0, :, J(joint), :2], places, atol=1e-3)
        # Half-way between the shoulders, whose joints have other names.
        middle = expected[:, [1, 4]].mean(axis=1) / scale
        np.testing.assert_allclose(tracks[0, :, J("neck"), :2], middle, atol=1e-3)
        assert not tracks[0, :, J("right_elbow"), 2].any(), "body25 does not name it"


def test_joints_outside_the_picture_or_behind_the_camera_are_absent(file: Path) -> None:
    near = CAMERA | {"translation": [0.0, 0.9, 0.3]}
    info = VideoInfo(T, 320, 240, 15.0)
    people = read_own_people(file, params(cameras={"any": near}), "x", info).people
    seen = people[people[..., 2] > 0]
    assert len(seen) < people.shape[0] * len(LAYOUT["body25"])
    assert ((seen[:, :2] >= 0) & (seen[:, :2] <= (320, 240))).all()


def test_a_part_and_missing_last_frames(file: Path) -> None:
    info = VideoInfo(20, 320, 240, 15.0)
    part = read_own_people(file, params(), "front", info, 10, 30).as_tracks()
    whole = read_own_people(file, params(), "front", VideoInfo(T, 320, 240, 15.0)).as_tracks()
    np.testing.assert_array_equal(part, whole[:, 10:30])
    longer = read_own_people(file, params(), "front", VideoInfo(T + 2, 320, 240, 15.0))
    assert longer.remark == "frames without a skeleton: 2"
    assert longer.counts.tolist() == [1] * (T + 2)
    assert not longer.as_tracks()[:, T:].any()


@pytest.mark.parametrize(
    ("camera", "info", "text"),
    [
        (
            "side",
            VideoInfo(T, 320, 240, 15.0),
            "SKEL_CAMERA: 'a.npz' has no pixels, and skeletons.own.cameras has no camera 'side' (it"
            " has: front); add the camera, or pixels to the file",
        ),
        (
            "front",
            VideoInfo(30, 320, 240, 15.0),
            "SKEL_FRAMES: 'a.npz': 40 frames for 30 of video; let the table's columns",
        ),
        (
            "front",
            VideoInfo(T, 320, 180, 15.0),
            "SKEL_SIZE: 'a.npz' is of a colour picture of 320 x 240 px, which a video of 320 x 180",
        ),
    ],
)
def test_what_does_not_fit_the_video(file: Path, camera: str, info: VideoInfo, text: str) -> None:
    with pytest.raises(ClipRejected) as caught:
        read_own_people(file, params(), camera, info)
    assert str(caught.value).startswith(text)
