"""The embedded estimator: its file, its input, its output, and people it has to find."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.layouts import BODY_25
from stroi.stages.pose.estimators.movenet import (
    MODEL,
    MODEL_SHA256,
    MoveNet,
    prepare,
    read_slots,
)
from stroi.stages.video.reader import read_selected

NOSE, L_WRIST, R_WRIST, L_ANKLE, R_ANKLE = (
    BODY_25.index(name)
    for name in ("nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle")
)
L_SHOULDER, R_SHOULDER = BODY_25.index("left_shoulder"), BODY_25.index("right_shoulder")


@pytest.fixture(scope="module")
def movenet() -> MoveNet:
    return MoveNet()


@pytest.fixture(scope="module")
def real_frame(real_data: Path) -> NDArray[np.uint8]:
    """One man, face to the camera, right arm up."""
    return frame_of(real_data / "clips" / "pose2sim_single_cam01.mp4")


def frame_of(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        pytest.skip(f"no real clip at {path}")
    return read_selected(path, [40])[40]


def test_names_itself_and_its_model(movenet: MoveNet) -> None:
    assert (movenet.name, movenet.digest) == ("movenet", MODEL_SHA256)


def test_tells_what_shapes_its_output(movenet: MoveNet) -> None:
    info = MoveNet(input_size=192, min_joint_score=0.3).info()
    assert info == {
        "onnxruntime": onnxruntime.__version__,
        "input_size": 192,
        "min_person_score": 0.2,
        "min_joint_score": 0.3,
    }
    assert movenet.info() != info


def test_another_model_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(MODEL.read_bytes()[:-1])
    with pytest.raises(RefusedInput) as caught:
        MoveNet(model=other)
    assert caught.value.code == "MODEL_DIGEST"
    assert str(other) in caught.value.message
    assert "is not the pose model's 1a8545b29700..." in caught.value.message
    with pytest.raises(RefusedInput, match=r"MODEL_MISSING.*No such file.*install stroi again"):
        MoveNet(model=tmp_path / "absent.onnx")


@pytest.mark.parametrize("input_size", [0, 32, 250, 2048])
def test_input_size_the_network_cannot_take_is_refused(input_size: int) -> None:
    with pytest.raises(ParamsError, match=f"input size is {input_size} px; use a multiple of 32"):
        MoveNet(input_size=input_size)


def area_mean(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.float64]:
    """Every pixel of the small image is the mean of the area it covers."""

    def weights(small: int, large: int) -> NDArray[np.float64]:
        table = np.zeros((small, large))
        for place in range(small):
            low, high = place * large / small, (place + 1) * large / small
            for pixel in range(math.floor(low), min(math.ceil(high), large)):
                table[place, pixel] = min(high, pixel + 1) - max(low, pixel)
        return table / table.sum(axis=1, keepdims=True)

    rows, columns = weights(height, image.shape[0]), weights(width, image.shape[1])
    tall = np.tensordot(rows, image.astype(np.float64), axes=(1, 0))
    return np.tensordot(tall, columns, axes=(1, 1)).transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("width", "height", "inner", "padded"),
    [(640, 480, (256, 192), (256, 192)), (300, 570, (135, 256), (160, 256))],
)
def test_input_is_scaled_padded_and_rgb(
    width: int, height: int, inner: tuple[int, int], padded: tuple[int, int]
) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    image, pixels = prepare(frame, 256)
    assert image.shape == (padded[1], padded[0], 3)
    expected = np.zeros((padded[1], padded[0], 3))
    expected[: inner[1], : inner[0]] = area_mean(frame, *inner)[..., ::-1]
    assert np.abs(image - expected).max() <= 1
    assert pixels == pytest.approx((padded[0] * width / inner[0], padded[1] * height / inner[1]))


def test_small_frame_is_enlarged() -> None:
    frame = np.full((60, 100, 3), (10, 20, 30), np.uint8)
    image, pixels = prepare(frame, 256)
    assert image.shape == (160, 256, 3)
    assert (image[:154] == (30, 20, 10)).all()
    assert not image[154:].any()
    assert pixels == pytest.approx((100, 160 * 60 / 154))


def test_output_is_read_as_y_x_score() -> None:
    slots = np.zeros((6, 56), np.float32)
    slots[:3, 55] = (0.9, 0.19, 0.2)
    for place in range(3):
        slots[place, :51] = np.tile((0.5, 0.25, 0.7), 17)
    slots[0, 9 * 3 : 10 * 3] = (0.1, 0.2, 0.21)
    slots[0, 16 * 3 : 17 * 3] = (0.1, 0.2, 0.19)
    people = read_slots(slots, (400, 100), 0.2, 0.2)
    assert people.shape == (2, 25, 3)
    np.testing.assert_allclose(people[0, L_WRIST], (80, 10, 0.21), rtol=1e-6)
    np.testing.assert_allclose(people[0, R_WRIST], (100, 50, 0.7), rtol=1e-6)
    assert not people[0, R_ANKLE].any()


def test_person_without_any_joint_is_nobody() -> None:
    slots = np.zeros((6, 56), np.float32)
    slots[0, 55] = 0.9
    assert read_slots(slots, (400, 100), 0.2, 0.2).shape == (0, 25, 3)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_nobody_in_an_empty_picture(movenet: MoveNet, level: int) -> None:
    people = movenet(np.full((240, 320, 3), level, np.uint8))
    assert people.shape == (0, 25, 3)
    assert people.dtype == np.float32


def test_finds_a_man_and_his_own_left_and_right(
    movenet: MoveNet, real_frame: NDArray[np.uint8]
) -> None:
    (man,) = movenet(real_frame)
    assert man[L_SHOULDER, 0] > man[R_SHOULDER, 0] + 30
    assert man[R_WRIST, 1] < man[NOSE, 1] < man[R_ANKLE, 1]
    np.testing.assert_allclose(man[R_WRIST, :2], (517, 407), atol=25)
    np.testing.assert_allclose(man[L_ANKLE, :2], (397, 1099), atol=25)
    assert not man[19:].any()


def test_finds_two_of_whom_one_turns_her_back(movenet: MoveNet, real_data: Path) -> None:
    people = movenet(frame_of(real_data / "clips" / "pose2sim_multi_cam01.mp4"))
    man, woman = sorted(people, key=lambda one: float(one[L_SHOULDER, 0]))
    assert man[L_SHOULDER, 0] > man[R_SHOULDER, 0] + 20
    assert woman[L_SHOULDER, 0] < woman[R_SHOULDER, 0] - 100
    np.testing.assert_allclose(woman[R_WRIST, :2], (1044, 1003), atol=25)
    np.testing.assert_allclose(woman[L_ANKLE, :2], (516, 1709), atol=25)


def test_mirrored_picture_has_left_and_right_exchanged(
    movenet: MoveNet, real_frame: NDArray[np.uint8]
) -> None:
    (man,) = movenet(real_frame)
    (mirrored,) = movenet(np.ascontiguousarray(real_frame[:, ::-1]))
    for one, other in ((L_SHOULDER, R_SHOULDER), (R_SHOULDER, L_SHOULDER), (R_WRIST, L_WRIST)):
        expected = (real_frame.shape[1] - man[one, 0], man[one, 1])
        np.testing.assert_allclose(mirrored[other, :2], expected, atol=30)


def test_same_frame_gives_the_same_bytes(movenet: MoveNet, real_frame: NDArray[np.uint8]) -> None:
    assert movenet(real_frame).tobytes() == MoveNet()(real_frame).tobytes()
