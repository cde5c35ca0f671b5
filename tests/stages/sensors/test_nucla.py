"""Joints of Northwestern-UCLA: every number arrives, every defect has its code."""

from __future__ import annotations

import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assembled import assemble_joints
from hypothesis import given, settings
from hypothesis import strategies as st
from nucla_files import joints, write_skeleton

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import KINECT_V1
from stroi.cache.skeletons3d import JointClip
from stroi.stages.sensors.readers import reader, with_places

ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data" / "nucla_skeletons" / "all_sqe.tar.gz"
NAME = "a05_s01_e00_v01"
read_joints = reader("nucla")


@pytest.mark.parametrize("frames", [1, 6, 39])
def test_every_number_arrives(tmp_path: Path, frames: int) -> None:
    clip = read_joints(write_skeleton(tmp_path, NAME, frames))
    assert clip.position.shape == (frames, 2, 20, 3)
    np.testing.assert_array_equal(clip.position[:, 0], joints(frames).astype(np.float32))
    assert not clip.position[:, 1].any()
    assert (clip.state[:, 0] == 2).all()
    assert not clip.state[:, 1].any()
    assert (clip.person_count, clip.layout, clip.fps) == (1, KINECT_V1, 0.0)
    assemble_joints([NAME], [clip])


@pytest.mark.parametrize("people", [1, 3, 4])
def test_there_are_places_for_the_people_of_the_profile(tmp_path: Path, people: int) -> None:
    path = write_skeleton(tmp_path, NAME, 6)
    clip, papers = read_joints(path, people=people), read_joints(path)
    assert (clip.position.shape, clip.state.shape) == ((6, people, 20, 3), (6, people, 20))
    np.testing.assert_array_equal(clip.position[:, 0], papers.position[:, 0])
    np.testing.assert_array_equal(clip.state[:, 0], papers.state[:, 0])
    assert not clip.state[:, 1:].any()


def test_more_people_than_are_kept_are_refused(tmp_path: Path) -> None:
    """Of a format that does not choose."""
    clip = read_joints(write_skeleton(tmp_path, NAME, 6))
    three = replace(with_places(clip, 3, tmp_path), person_count=3)
    with pytest.raises(ClipRejected) as caught:
        with_places(three, 2, tmp_path / "x.json")
    assert str(caught.value) == (
        "SKEL_COUNT: 'x.json': 3 people, a clip has at most 2 (skeletons.people);"
        " raise skeletons.people, to 4 at most, or leave the sample out"
    )


def test_joints_at_the_origin_are_absent(tmp_path: Path) -> None:
    numbers = joints(4)
    numbers[1, 3] = 0
    numbers[2, :2] = 0
    numbers[3, 5] = (0, 0, 1)
    clip = read_joints(write_skeleton(tmp_path, NAME, skeletons=numbers.tolist()))
    absent = [tuple(place) for place in np.argwhere(clip.state[:, 0] == 0)]
    assert absent == [(1, 3), (2, 0), (2, 1)]


@pytest.mark.parametrize(
    ("changed", "code", "problem"),
    [
        ({"extra": 1}, "SKEL_FORMAT", "no object of file_name, label, skeletons alone"),
        ({"skeletons": "x"}, "SKEL_FORMAT", "skeletons is no list"),
        ({"skeletons": [[[0, 0, True]] * 20]}, "SKEL_FORMAT", r"\[0, 0, True\] are no numbers"),
        ({"file_name": "a05_s01_e00_v02"}, "SKEL_NAME", "claims to be 'a05_s01_e00_v02'"),
        ({"file_name": ["x" * 999]}, "SKEL_NAME", r"claims to be \['x{78};?"),
        ({"label": 6}, "SKEL_LABEL", "has label 6, a sample of this name 5"),
        ({"label": 5.0}, "SKEL_LABEL", "has label 5.0, a sample of this name 5"),
        ({"skeletons": [[[0, 0, 1]] * 25]}, "SKEL_COUNT", "frame 0 has 25 joints, want 20 joints"),
        ({"skeletons": [7]}, "SKEL_COUNT", "frame 0 has no list, want 20 joints"),
        ({"skeletons": [[[0, 1]] * 20]}, "SKEL_COUNT", "frame 0: a joint of no 3 numbers"),
        ({"skeletons": [[[0, 0, 1]] * 20, [[0, 0, 3e3]] * 20]}, "SKEL_NONFINITE",
         "frame 1: beyond 100 m"),
        ({"skeletons": []}, "SKEL_EMPTY", "not one joint in 0 frames"),
        ({"skeletons": [[[0, 0.0, -0.0]] * 20]}, "SKEL_EMPTY", "not one joint in 1 frames"),
    ],
)  # fmt: skip
def test_defects_have_their_code(
    tmp_path: Path, changed: dict[str, Any], code: str, problem: str
) -> None:
    with pytest.raises(ClipRejected, match=problem) as caught:
        read_joints(write_skeleton(tmp_path, NAME, **changed))
    assert caught.value.code == code
    assert NAME in caught.value.message
    assert caught.value.remedy == "unpack the sample again, or leave it out"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not JSON"),
        ('{"file_name": "a05', "is not JSON"),
        ('{"skeletons": [[[NaN, 0, 0]]]}', "holds NaN"),
        ('{"skeletons": [[[1e999, 0, 0]]]}', "holds 1e999"),
        ('{"label": 5, "label": 6}', "has the key 'label' twice"),
        ("[" * 100 + "]" * 100, "nests deeper than 64"),
    ],
)
def test_hostile_json_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / f"{NAME}.json").write_text(text)
    with pytest.raises(ClipRejected, match=problem) as caught:
        read_joints(tmp_path / f"{NAME}.json")
    assert caught.value.code == "SKEL_JSON"


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.json"
    os.mkfifo(path)
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(5 * 2**20)
    for place, problem in (
        (path, "not a regular file"),
        (large, "5242880 bytes, at most"),
        (tmp_path / "gone", "No such file"),
    ):
        with pytest.raises(ClipRejected, match=f"SKEL_OPEN: .*{problem}"):
            read_joints(place)


@settings(derandomize=True, max_examples=60)
@given(st.binary(max_size=60), st.integers(0, 10**6), st.booleans())
def test_damaged_files_are_read_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int, cut: bool
) -> None:
    path = write_skeleton(tmp_path_factory.mktemp("damaged"), NAME, 1)
    data = path.read_bytes()
    at = place % len(data)
    path.write_bytes(data[:at] + noise + (b"" if cut else data[at + len(noise) :]))
    code = ""
    clip: JointClip | None
    try:
        clip = read_joints(path)
    except ClipRejected as rejected:
        clip, code = None, rejected.code
    assert code.startswith("SKEL_") if clip is None else np.isfinite(clip.position).all()


@pytest.mark.skipif(not REAL.is_file(), reason=f"needs {os.path.relpath(REAL, ROOT)}")
def test_odd_clips_of_the_real_set_survive(tmp_path: Path) -> None:
    odd = {
        "a02_s09_e04_v02": (1, 0),
        "a02_s09_e04_v03": (1, 0),
        "a01_s10_e00_v03": (6, 0),
        "a03_s09_e01_v01": (6, 0),
        "a01_s08_e02_v01": (201, 0),
        "a04_s01_e01_v01": (84, 6),
        "a04_s04_e02_v01": (46, 6),
    }
    with tarfile.open(REAL) as archive:
        members = [one for one in archive.getmembers() if Path(one.name).stem in odd]
        archive.extractall(tmp_path, members, filter="data")
    found: dict[str, JointClip] = {
        path.stem: read_joints(path) for path in tmp_path.rglob("*.json")
    }
    absent = {name: int((clip.state[:, 0] == 0).sum()) for name, clip in found.items()}
    assert {name: (len(clip.position), absent[name]) for name, clip in found.items()} == odd
    path = next(tmp_path.rglob("a04_s01_e01_v01.json"))
    numbers = np.array(json.loads(path.read_text())["skeletons"])
    np.testing.assert_array_equal(found[path.stem].position[:, 0], numbers.astype(np.float32))
