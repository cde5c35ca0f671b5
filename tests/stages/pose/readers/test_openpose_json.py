"""OpenPose's files: every dialect is read, every defect is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpose_texts import openpose_frame, points

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import BODY_25
from stroi.stages.pose.layouts import BODY_25B, COCO_18, to_body25
from stroi.stages.pose.readers.openpose_json import (
    LAYOUTS,
    MAX_BYTES,
    JsonModel,
    parse_openpose_json,
    read_openpose_json,
)


@pytest.mark.parametrize(
    ("version", "key"),
    [
        (1.0, "pose_keypoints"),
        (1.1, "pose_keypoints"),
        (1.2, "pose_keypoints_2d"),
        (1.3, "pose_keypoints_2d"),
        (1, "pose_keypoints"),
    ],
)
def test_every_version_is_read(version: float, key: str) -> None:
    data = openpose_frame([points(25, 1), points(25, 2)], version=version, key=key)
    people = parse_openpose_json(data, "x")
    assert (people.shape, people.dtype) == ((2, 25, 3), np.float32)
    expected = np.array([points(25, 1), points(25, 2)], np.float32).reshape(2, 25, 3)
    np.testing.assert_array_equal(people, expected)
    assert not people[:, 4].any()


@pytest.mark.parametrize("model", LAYOUTS)
def test_other_models_come_as_body25(model: JsonModel) -> None:
    layout = {"BODY_25": BODY_25, "BODY_25B": BODY_25B, "COCO": COCO_18}[model]
    keypoints = points(len(layout.joints))
    people = parse_openpose_json(openpose_frame([keypoints]), "x", model=model)
    source = np.array(keypoints, np.float32).reshape(1, -1, 3)
    np.testing.assert_array_equal(people, to_body25(source, layout))
    assert people[0, BODY_25.index("right_ankle"), 2] > 0


def test_empty_people_are_no_people() -> None:
    assert parse_openpose_json(openpose_frame([]), "x").shape == (0, 25, 3)
    assert parse_openpose_json(openpose_frame([[], []]), "x").shape == (0, 25, 3)
    both = parse_openpose_json(openpose_frame([[], points(25, 3), []]), "x")
    np.testing.assert_array_equal(both[0].ravel(), np.array(points(25, 3), np.float32))


def test_a_person_without_any_joint_stays_absent() -> None:
    people = parse_openpose_json(openpose_frame([[0] * 75, points(25)]), "x")
    assert people.shape == (2, 25, 3)
    assert not people[0].any()


PLACE = st.floats(2, 1e5, width=32)
JOINT = st.tuples(st.floats(-1e5, 1e5, width=32), PLACE, st.floats(0, 1, width=32))


@given(st.lists(st.lists(JOINT, min_size=25, max_size=25), max_size=4))
def test_numbers_arrive_as_they_are(people: list[list[tuple[float, float, float]]]) -> None:
    data = openpose_frame([[value for joint in person for value in joint] for person in people])
    expected = np.array(people, np.float32).reshape(-1, 25, 3)
    expected[expected[..., 2] == 0] = 0
    np.testing.assert_array_equal(parse_openpose_json(data, "x"), expected)


def frame(**other: object) -> bytes:
    return json.dumps({"version": 1.3, "people": []} | other).encode()


def one(value: object, at: int = 0) -> bytes:
    keypoints: list[object] = list(points(25))
    keypoints[at] = value
    return openpose_frame([keypoints])


GOOD = openpose_frame([points(25)])
DEFECTS: dict[str, tuple[bytes, str, str]] = {
    "54 numbers": (openpose_frame([points(18)]), "POSE_LENGTH", "54, want 75 (BODY_25)"),
    "74 numbers": (openpose_frame([points(25)[:-1]]), "POSE_LENGTH", "person 0: 74, want 75"),
    "second person": (openpose_frame([points(25), [1]]), "POSE_LENGTH", "person 1: 1, want 75"),
    "negative confidence": (one(-0.1, 2), "POSE_VALUE", "joint 0: confidence -0.1, want 0 to 2"),
    "huge confidence": (one(2.5, 5), "POSE_VALUE", "joint 1: confidence 2.5, want 0 to 2"),
    "far away": (one(1e6), "POSE_VALUE", "joint 0: x 1000000.0, want -100000 to 100000"),
    "a boolean": (one(True), "POSE_VALUE", "joint 0: x True"),
    "a text": (one("7", 1), "POSE_VALUE", "joint 0: y '7'"),
    "a null": (one(None), "POSE_VALUE", "x None"),
    "a list": (one([1.0]), "POSE_VALUE", "x [1.0]"),
    "90 digits": (one(10**90), "POSE_VALUE", "joint 0: x 1000000000"),
    "5000 digits": (GOOD.replace(b"101.5", b"9" * 5000), "JSON", "a number of 5000 digits"),
    "NaN": (one(float("nan")), "JSON", "holds NaN, which is not JSON"),
    "infinity": (one(float("-inf")), "JSON", "holds -Infinity, which is not JSON"),
    "1e999": (GOOD.replace(b"101.5", b"1e999"), "JSON", "holds 1e999, which is not JSON"),
    "key twice": (GOOD.replace(b'"version"', b'"people":[],"version"'), "JSON_DUPLICATE_KEY", "a"),
    "nested": (b"[" * 200_000, "JSON_DEPTH", "nests deeper than 64"),
    "not JSON": (b"{'version': 1.3}", "JSON", "is not JSON"),
    "not UTF-8": (b'{"version": "\xff"}', "JSON", "is not JSON"),
    "no byte": (b"", "JSON", "is not JSON"),
    "a list alone": (b"[]", "POSE_FORMAT", "no object with a list of people"),
    "no people": (b'{"version": 1.3}', "POSE_FORMAT", "no object with a list of people"),
    "people as text": (frame(people="[]"), "POSE_FORMAT", "no object with a list of people"),
    "person as list": (frame(people=[[1]]), "POSE_FORMAT", "person 0 has no pose_keypoints_2d"),
    "person of nothing": (frame(people=[{}]), "POSE_FORMAT", "person 0 has no pose_keypoints_2d"),
    "both keys": (
        frame(people=[{"pose_keypoints": [], "pose_keypoints_2d": []}]),
        "POSE_FORMAT", "person 0 has no pose_keypoints_2d",
    ),
    "points as text": (openpose_frame(["x" * 75]), "POSE_FORMAT", "the key points are no list"),
    "points of null": (openpose_frame([None]), "POSE_FORMAT", "the key points are no list"),
    "no version": (b'{"people": []}', "POSE_VERSION", "version None, want 1.0 to 1.3"),
    "version 2": (frame(version=2.0), "POSE_VERSION", "version 2.0, want 1.0 to 1.3"),
    "version as text": (frame(version="1.3"), "POSE_VERSION", "version '1.3'"),
    "version true": (frame(version=True), "POSE_VERSION", "version True"),
    "normalised": (
        openpose_frame([[0.5, 0.25, 0.9] * 25]), "POSE_SCALE", "so they are no pixels",
    ),
    "escape sequence": (frame(version="\x1b[31m"), "POSE_VERSION", r"version '\x1b[31m'"),
}  # fmt: skip


@pytest.mark.parametrize("case", DEFECTS)
def test_defects_are_named(case: str) -> None:
    data, code, message = DEFECTS[case]
    with pytest.raises(ClipRejected) as caught:
        parse_openpose_json(data, "clip_000000000007_keypoints.json")
    error = caught.value
    assert error.code == code
    assert message in error.message
    assert "'clip_000000000007_keypoints.json'" in error.message
    assert error.remedy
    assert str(error).isascii()
    assert str(error).isprintable()


def test_the_remedy_for_another_length_is_the_option() -> None:
    with pytest.raises(ClipRejected, match=r"75, want 54 \(COCO\); name the model that OpenPose r"):
        parse_openpose_json(GOOD, "x", model="COCO")


def test_files_are_opened_with_care(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(GOOD)
    assert read_openpose_json(tmp_path / "good.json").shape == (1, 25, 3)
    (tmp_path / "large.json").write_bytes(b" " * MAX_BYTES + GOOD)
    os.mkfifo(tmp_path / "pipe.json")
    for name, problem in (
        ("large.json", "at most 1048576 are read"),
        ("pipe.json", "not a regular file"),
        ("absent.json", "No such file"),
    ):
        with pytest.raises(ClipRejected, match=f"POSE_OPEN.*{problem}"):
            read_openpose_json(tmp_path / name)


def test_real_folders_are_read(real_data: Path) -> None:
    folder = real_data / "openpose_json"
    people = {
        name: [
            len(read_openpose_json(path, model=model))
            for path in sorted((folder / name).glob("*.json"))
        ]
        for name, model in (
            ("openposer_psychologie", "BODY_25"),
            ("pose2sim_single_cam03", "BODY_25B"),
            ("pose2sim_multi_cam01", "BODY_25B"),
        )
    }
    assert {name: len(found) for name, found in people.items()} == {
        "openposer_psychologie": 157, "pose2sim_single_cam03": 100, "pose2sim_multi_cam01": 100,
    }  # fmt: skip
    assert set(people["openposer_psychologie"]) == {1}
    # One of the 300 persons has an empty list.
    assert sum(people["pose2sim_multi_cam01"]) == 299
