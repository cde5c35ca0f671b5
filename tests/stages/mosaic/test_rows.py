"""Mosaics of any rows against a second reading of eq. 1 that knows joints by their numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from own_people import LAYOUT

from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams, Profile
from stroi.stages.mosaic.cut import cut_mosaic

WIDTH, HEIGHT, FRAMES, SIDE, CELL = 160, 120, 12, 40, 80
INDEX = np.array([1, 4, 6, 9], np.int32)
LIMIT = 0.4
Frames = dict[int, NDArray[np.uint8]]

# Name or group, and the numbers of its joints in OpenPose's BODY_25.
THREE: list[Any] = [("head", [0]), ("right_hand", [4]), ("left_hand", [7])]
SEVEN = [
    *THREE, ("right_foot", [11]), ("left_foot", [14]), ("right_elbow", [3]), ("left_elbow", [6]),
]  # fmt: skip
GROUPS = [
    ({"right_arm": ["right_elbow", "right_wrist"]}, [3, 4]),
    ({"trunk": ["left_hip", "neck", "right_hip", "mid_hip"]}, [1, 8, 9, 12]),
    ({"big_head": {"joints": ["nose"], "cell": 2 * CELL}}, [0]),
]
CASES = {
    "three": THREE,
    "paper": SEVEN[:5],
    "upper_body": [*THREE, *SEVEN[5:]],
    "seven": SEVEN,
    "one": [("left_knee", [13])],
    "groups": GROUPS,
}


def scene(seed: int, count: int) -> tuple[Frames, Clip]:
    """Noise, and joints of even coordinates in and beyond the frame, a third of them missing."""
    rng = np.random.default_rng(seed)
    frames = {i: rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for i in range(FRAMES)}
    keypoints = np.zeros((FRAMES, 2, 25, 3), np.float32)
    # Multiples of 4, so that a middle of two is a whole even number.
    keypoints[:, :count, :, 0] = 4 * rng.integers(-8, WIDTH // 4 + 8, (FRAMES, count, 25))
    keypoints[:, :count, :, 1] = 4 * rng.integers(-8, HEIGHT // 4 + 8, (FRAMES, count, 25))
    keypoints[:, :count, :, 2] = rng.uniform(0.3, 1, (FRAMES, count, 25))
    gone = rng.random((FRAMES, 2, 25)) < 0.2
    keypoints[gone] = 0
    return frames, Clip(keypoints, count, WIDTH, HEIGHT, 25.0)


def shrunk(frame: NDArray[np.uint8], centre: tuple[float, float], width: int, height: int,
           out: tuple[int, int]) -> NDArray[np.float64] | None:  # fmt: skip
    """Mean colours (RGB) of the blocks of a box, black outside the frame; None if all is."""
    x0, y0 = int(centre[0]) - width // 2, int(centre[1]) - height // 2
    if x0 >= WIDTH or y0 >= HEIGHT or x0 + width <= 0 or y0 + height <= 0:
        return None
    canvas = np.zeros((height, width, 3))
    for y in range(max(0, y0), min(HEIGHT, y0 + height)):
        left, right = max(0, x0), min(WIDTH, x0 + width)
        canvas[y - y0, left - x0 : right - x0] = frame[y, left:right]
    blocks = canvas.reshape(out[0], height // out[0], out[1], width // out[1], 3)
    return np.asarray(blocks.mean(axis=(1, 3))[..., ::-1])


def by_hand(
    frames: Frames, clip: Clip, rows: list[tuple[Any, list[int]]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float32]]:
    """Mosaic, flags (2, L, K) and confidences of the rows."""
    people = clip.person_count
    mosaic = np.zeros((len(rows) * SIDE, len(INDEX) * SIDE, 3))
    valid = np.zeros((2, len(INDEX), len(rows)), bool)
    confidence = np.zeros((2, len(INDEX), len(rows)), np.float32)
    for column, time in enumerate(INDEX.tolist()):
        for person in range(people):
            for row, (entry, joints) in enumerate(rows):
                big = isinstance(entry, dict) and "big_head" in entry
                cell = 2 * CELL if big else CELL
                all_of_row = [clip.keypoints[time, person, joint] for joint in joints]
                confidence[person, column, row] = max(each[2] for each in all_of_row)
                seen = [each for each in all_of_row if each[2] >= LIMIT]
                if not seen:
                    continue
                xs, ys = [each[0] for each in seen], [each[1] for each in seen]
                centre = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
                part = shrunk(frames[time], centre, cell // people, cell, (SIDE, SIDE // people))
                if part is None:
                    continue
                left = column * SIDE + person * (SIDE // people)
                target = np.s_[row * SIDE : (row + 1) * SIDE, left : left + SIDE // people]
                mosaic[target] = part
                valid[person, column, row] = True
    return mosaic, valid, confidence


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.sampled_from([1, 2]))
@pytest.mark.parametrize("name", CASES)
def test_every_row_shows_its_joints(name: str, seed: int, count: int) -> None:
    case, (frames, clip) = CASES[name], scene(seed, count)
    rows: Any = name if name in ("paper", "upper_body") else tuple(entry for entry, _ in case)
    params = MosaicParams(rows=rows, cell=CELL, size=SIDE * len(case), min_confidence=LIMIT)
    found = cut_mosaic(frames, clip, INDEX, params)
    mosaic, valid, confidence = by_hand(frames, clip, case)
    assert found.mosaic.shape == mosaic.shape
    np.testing.assert_array_equal(found.valid, valid)
    np.testing.assert_array_equal(found.confidence, confidence)
    assert np.abs(found.mosaic - mosaic).max() <= 1


def figure(seed: int, count: int) -> tuple[Frames, Clip]:
    """People whose joints fill a box of 16 x 32 px that walks through the picture."""
    frames, _ = scene(seed, count)
    rng = np.random.default_rng(seed)
    keypoints = np.zeros((FRAMES, 2, 25, 3), np.float32)
    for person in range(count):
        corner = np.array([40 + 40 * person, 30]) + 2 * rng.integers(-9, 10, (FRAMES, 2))
        keypoints[:, person, :, :2] = corner[:, None] + rng.integers(0, (17, 33), (FRAMES, 25, 2))
        keypoints[:, person, 0, :2], keypoints[:, person, 24, :2] = (
            corner,
            corner + np.array([16, 32]),
        )
        keypoints[:, person, :, 2] = 0.9
    # A wild guess far away that nobody believes, and nothing that MoveNet would find of the feet.
    keypoints[:, :count, 5] = (900, 900, 0.1)
    keypoints[:, :count, 19:24] = 0
    return frames, Clip(keypoints, count, WIDTH, HEIGHT, 25.0)


@pytest.mark.parametrize("count", [1, 2])
def test_full_body_is_one_cell_around_all_joints(count: int) -> None:
    frames, clip = figure(3, count)
    params = MosaicParams(rows="full_body", size=40, min_confidence=LIMIT)
    cut = cut_mosaic(frames, clip, INDEX, params)
    assert cut.mosaic.shape == (40, 40 * len(INDEX), 3)
    assert cut.valid[:count].all()
    assert not cut.valid[count:].any()
    for column, time in enumerate(INDEX.tolist()):
        for person in range(count):
            # The box and a quarter of its height: 40 px, the size of a cell, so nothing is resized.
            left, top = clip.keypoints[time, person, 0, :2].astype(int)
            x0, y0 = left + 8 - 20 // count, top + 16 - 20
            assert cut.box[person, column, 0].tolist() == [x0, y0, x0 + 40 // count, y0 + 40]
            seen = frames[time][y0 : y0 + 40, x0 : x0 + 40 // count, ::-1]
            at = 40 * column + person * 20
            np.testing.assert_array_equal(cut.mosaic[:, at : at + 40 // count], seen)


def test_a_fitted_crop_has_one_size_in_all_columns_of_a_clip() -> None:
    frames, clip = figure(4, 1)
    clip.keypoints[INDEX[1], 0, 24, :2] += (0, 32)
    clip.keypoints[0, 0, 24, :2] += (0, 300)  # not shown
    params = MosaicParams(rows="full_body", size=40, min_confidence=LIMIT)
    box = cut_mosaic(frames, clip, INDEX, params).box[0, :, 0]
    # 64 px high in one column: 1.25 times that everywhere.
    assert set((box[:, 2:] - box[:, :2]).ravel()) == {80}


def test_a_wild_joint_does_not_make_a_crop_larger_than_twice_the_frame() -> None:
    frames, clip = figure(5, 1)
    params = MosaicParams(rows=[{"two": {"joints": ["nose", "right_heel"], "cell": "fit"}}])
    clip.keypoints[:, 0, 0] = (-100, 50, 1)
    clip.keypoints[:, 0, 24] = (1e6, 50, 1)
    cut = cut_mosaic(frames, clip, INDEX, params)
    # Its middle lies outside; the memory for it stays that of two frames.
    assert not cut.valid.any()
    clip.keypoints[:, 0, 24] = (260, 50, 1)
    box = cut_mosaic(frames, clip, INDEX, params).box[0, :, 0]
    assert set(box[:, 2] - box[:, 0]) == {2 * WIDTH}


def test_a_group_that_is_nowhere_in_the_columns_shows_its_nearest_place() -> None:
    frames, clip = figure(6, 1)
    clip.keypoints[INDEX, 0] = 0
    params = MosaicParams(rows="full_body", size=40, min_confidence=LIMIT, missing="nearest")
    cut = cut_mosaic(frames, clip, INDEX, params)
    assert cut.valid[0].all()
    assert not cut.confidence.any()
    black = cut_mosaic(frames, clip, INDEX, params.replace(missing="black"))
    assert not black.valid.any()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rows": "with_elbows_knees", "size": 60},
         "9 rows in 60 px leave cells of 6 px: set size to 72 or more"),
        ({"rows": "full_body", "size": "native"},
         "size: native keeps crops as they are cut, and full_body has a cell of its own: give a"
         " size in px"),
        ({"rows": ["head", "tail"]}, "unknown joint 'tail'"),
    ],
)  # fmt: skip
def test_refusals(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MosaicParams(**params)


@pytest.mark.parametrize("rows", [3, 7, 8])
def test_cells_get_their_share_of_any_size(rows: int) -> None:
    frames, clip = scene(1, 1)
    names = [entry for entry, _ in SEVEN] + ["neck"]
    cut = cut_mosaic(frames, clip, INDEX, MosaicParams(rows=names[:rows], size=225))
    side = {3: 75, 7: 32, 8: 28}[rows]
    assert cut.mosaic.shape == (rows * side, len(INDEX) * side, 3)


def test_rows_that_movenet_never_finds_need_another_source() -> None:
    text = '{"mosaics": {"rows": ["head", "left_heel"]}, "skeletons": {"source": "%s"}}'
    assert len(Profile.model_validate_json(text % "openpose").mosaics.rows) == 2
    with pytest.raises(ValueError, match="MoveNet finds no toes and heels, left_heel would be"):
        Profile.model_validate_json(text % "movenet")


def test_a_profile_that_flips_needs_both_sides() -> None:
    for flip in (0.0, 0.5):
        text = f'{{"mosaics": {{"rows": ["head", "right_hand"]}}, "resnet": {{"flip": {flip}}}}}'
        if flip:
            with pytest.raises(
                ValueError, match="the rows of mosaics lack the other side of right"
            ):
                Profile.model_validate_json(text)
        else:
            assert len(Profile.model_validate_json(text).mosaics.rows) == 2


@pytest.mark.parametrize("own", ["skeletons.source", "skeletons3d.format"])
def test_own_skeletons_need_a_joint_for_every_row(own: str) -> None:
    stage, name = own.split(".")
    for rows in (["head", "left_hand"], ["head", "left_knee"]):
        profile: dict[str, Any] = {"mosaics": {"rows": rows}, "skeletons": {"own": {}}}
        profile["skeletons"]["own"]["layout"] = LAYOUT
        profile.setdefault(stage, {})[name] = "own"
        if rows == ["head", "left_hand"]:
            assert len(Profile.model_validate_json(json.dumps(profile)).mosaics.rows) == 2
        else:
            with pytest.raises(
                ValueError,
                match=r"row left_knee shows left_knee, and the skeletons \(stick13\) have no such"
                " joint to weigh it by; name the joint that stands for it in body25",
            ):
                Profile.model_validate_json(json.dumps(profile))
