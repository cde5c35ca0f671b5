"""RTMO's and RTMPose's interfaces, by small ONNX files that tell what they were shown."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_onnx import model, node, tiny_rtmo, tiny_rtmpose

from stroi.cache.errors import RefusedInput
from stroi.cache.layouts import BODY_25, COCO_17
from stroi.stages.pose.estimator import Estimator
from stroi.stages.pose.estimators.onnx import load_network
from stroi.stages.pose.estimators.rtmo import PAD, Rtmo, distinct, letterbox
from stroi.stages.pose.estimators.rtmpose import RtmPose
from stroi.stages.pose.layouts import HALPE_26

L_WRIST, R_ANKLE = BODY_25.index("left_wrist"), BODY_25.index("right_ankle")
BOXES = np.array(
    [[0, 0, 40, 40, 0.9], [2, 0, 42, 40, 0.8], [60, 0, 90, 60, 0.7], [60, 0, 90, 60, 0.29]],
    np.float32,
)
"""Two of one person, another one, and one too doubtful."""


class Finder:
    """Finds the same people in every frame."""

    name = "finder"
    digest = "0" * 64

    def __init__(self, *people: list[tuple[float, float]]) -> None:
        self._people = np.zeros((len(people), 25, 3), np.float32)
        for person, corners in zip(self._people, people, strict=True):
            for joint, (x, y) in enumerate(corners):
                person[joint] = (x, y, 0.5)

    def info(self) -> dict[str, Any]:
        return {"input_size": 256}

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._people


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "network.onnx"
    path.write_bytes(content)
    return path


def load(path: Path, finder: Estimator, layout: str = "coco17", **scores: float) -> Rtmo | RtmPose:
    network = replace(load_network(path, layout), **scores)
    return Rtmo(network) if network.one_stage else RtmPose(network, finder)


def spot(width: int, height: int, x: int, y: int, *, bgr: tuple[int, int, int]) -> Any:
    """A grey picture with a spot of 4 x 4 px around (x, y)."""
    frame = np.full((height, width, 3), 90, np.uint8)
    frame[y - 2 : y + 2, x - 2 : x + 2] = bgr
    return frame


def test_rtmo_sees_blue_first_and_gives_px_of_the_frame(tmp_path: Path) -> None:
    path = saved(tmp_path, tiny_rtmo(96, 64, BOXES))
    estimator = load(path, Finder(), min_joint_score=0.5)
    assert (estimator.name, estimator.digest) == (
        "rtmo",
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    frame = spot(192, 96, 80, 40, bgr=(255, 0, 0))
    frame[10:14, 10:14] = (0, 255, 255)
    people = estimator(frame)
    assert (people.shape, people.dtype) == ((2, 25, 3), np.float32)
    joint = COCO_17.index("left_wrist")
    expected = (80 + 2 * joint, 40, (joint + 1) / 17)
    np.testing.assert_allclose(people[0, L_WRIST], expected, atol=3)
    np.testing.assert_allclose(people[0, L_WRIST, 2], (joint + 1) / 17, rtol=1e-5)
    assert not people[0, BODY_25.index("nose")].any()
    assert people[0, R_ANKLE, 2] == 1


def test_rtmo_pads_right_and_below_with_grey() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (50, 200, 3), np.uint8)
    picture, scale = letterbox(frame, 100, 100)
    assert (picture.shape, picture.dtype, scale) == ((3, 100, 100), np.float32, 0.5)
    assert (picture[:, 25:] == PAD).all()
    means = frame.reshape(25, 2, 100, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(picture[:, :25], means, atol=1)


def test_rtmpose_sees_red_first_within_the_persons_box(tmp_path: Path) -> None:
    path = saved(tmp_path, tiny_rtmpose(48, 64))
    finder = Finder([(100, 60), (130, 180)], [(300, 50), (330, 60)])
    estimator = load(path, finder)
    assert estimator.name == "rtmpose"
    frame = spot(400, 240, 112, 90, bgr=(0, 0, 255))
    frame[50:54, 310:314] = (255, 0, 0)
    frame[56:60, 320:324] = (0, 0, 220)
    frame[200:240, 200:240] = (0, 0, 255)
    one, other = estimator(frame)
    np.testing.assert_allclose(one[L_WRIST], (112, 90, 1), atol=4)
    np.testing.assert_allclose(other[R_ANKLE], (322, 58, 1), atol=2)


def test_rtmpose_without_people_runs_nothing(tmp_path: Path) -> None:
    estimator = load(saved(tmp_path, tiny_rtmpose(48, 64)), Finder())
    assert estimator(np.zeros((60, 60, 3), np.uint8)).shape == (0, 25, 3)


def test_dark_box_shows_nobody(tmp_path: Path) -> None:
    estimator = load(saved(tmp_path, tiny_rtmpose(48, 64)), Finder([(5, 5), (50, 50)]))
    assert estimator(np.zeros((60, 60, 3), np.uint8)).shape == (0, 25, 3)


def test_halpe_brings_feet(tmp_path: Path) -> None:
    path = saved(tmp_path, tiny_rtmo(96, 64, BOXES, joints=26))
    estimator = load(path, Finder(), "halpe26")
    (person, _) = estimator(spot(96, 64, 20, 30, bgr=(255, 0, 0)))
    heel = HALPE_26.index("right_heel")
    np.testing.assert_allclose(person[24], (20 + heel, 30, 1), atol=3)
    assert (person[19:, 2] > 0).all()


def test_joints_that_are_not_the_networks_name_the_param(tmp_path: Path) -> None:
    path = saved(tmp_path, tiny_rtmo(96, 64, BOXES, joints=26))
    estimator = load(path, Finder())
    with pytest.raises(RefusedInput) as caught:
        estimator(spot(96, 64, 20, 30, bgr=(255, 0, 0)))
    assert caught.value.message == "the network finds 26 joints, coco17 has 17"
    assert caught.value.remedy == "set skeletons.onnx.layout to one of coco17, halpe26"


def test_info_tells_all_that_shapes_the_joints(tmp_path: Path) -> None:
    path = saved(tmp_path, tiny_rtmpose(48, 64))
    info = load(path, Finder(), min_joint_score=0.4).info()
    assert (info["layout"], info["input"], info["min_joint_score"]) == ("coco17", [64, 48], 0.4)
    assert info["finder"] == {"name": "finder", "digest": "0" * 64, "input_size": 256}
    unsized = saved(tmp_path, tiny_rtmpose(192, 256, sides=False))
    assert load(unsized, Finder()).info()["input"] == [256, 192]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"MODEL_MISSING.*set skeletons.onnx.model"):
        load(tmp_path / "absent.onnx", Finder())
    text = saved(tmp_path, b"<html>404</html>")
    with pytest.raises(RefusedInput, match=r"MODEL_FORMAT.*no ONNX network"):
        load(text, Finder())
    same = model(
        [node("Identity", "input", "output")], [], {"input": (1, 3, 8, 8)}, {"output": (1, 3, 8, 8)}
    )
    with pytest.raises(RefusedInput, match=r"MODEL_OUTPUT.*neither RTMO nor RTMPose: 'output"):
        load(saved(tmp_path, same), Finder())


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 5), max_size=8))
def test_no_two_that_stay_are_one_person(rows: list[tuple[int, ...]]) -> None:
    boxes = np.array([(x, y, x + w, y + h, s) for x, y, w, h, s in rows], np.float32)
    boxes = boxes.reshape(-1, 5)
    kept = distinct(boxes)
    assert len(set(kept)) == len(kept)

    def shared(a: int, b: int) -> float:
        wide = min(boxes[a, 2], boxes[b, 2]) - max(boxes[a, 0], boxes[b, 0])
        high = min(boxes[a, 3], boxes[b, 3]) - max(boxes[a, 1], boxes[b, 1])
        inner = max(wide, 0) * max(high, 0)
        sizes = [(boxes[n, 2] - boxes[n, 0]) * (boxes[n, 3] - boxes[n, 1]) for n in (a, b)]
        return float(inner / (sum(sizes) - inner)) if inner else 0.0

    assert all(shared(a, b) <= 0.65 for a in kept for b in kept if a != b)
    for number in set(range(len(boxes))) - set(kept):
        assert any(
            shared(number, other) > 0.65 and boxes[other, 4] >= boxes[number, 4] for other in kept
        )
